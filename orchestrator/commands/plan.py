"""What a sweep would do, before anything is asked for: cells, records, reachable p, time and disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from analysis.comparison import power
from analysis.comparison.design import primary_method
from analysis.design_power import Outlook, Spread, outlook, spread_of
from orchestrator import html_tables
from orchestrator.commands.estimate import Estimate, estimate
from orchestrator.config import grid
from orchestrator.config.data_check import DataFacts, check_data
from orchestrator.config.resolve import Resolved
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import UserError
from orchestrator.storage import Store
from orchestrator.storage.cells import cell_columns
from orchestrator.storage.find_results import default_out
from orchestrator.storage.status import Status, summarise
from orchestrator.units import plural
from trainables.config import Precision

Design = Literal["one fixed split", "splits or folds that vary with the run"]


@dataclass(frozen=True)
class Reach:
    """What the design can decide. `smallest_p` and `seeds_needed` are None where the test has no such bound.

    `smallest_p` is that of the first Holm step; `smallest_p_of_a_pair` is before correction, as reports show it.
    """

    design: Design
    pairs: int
    comparisons: int
    alpha: float
    smallest_p: float | None
    seeds_needed: int | None
    warnings: tuple[str, ...] = ()
    smallest_p_of_a_pair: float | None = None


@dataclass(frozen=True)
class ModelPrecision:
    """What a model will be trained in on this machine, and why."""

    model: str
    precision: Precision
    why: str


@dataclass(frozen=True)
class Plan:
    """A sweep that has not happened yet. `pending` are the runs it would execute, in their order.

    `out` is to be shown, `address` to be opened: it may hold credentials.
    """

    experiment: str
    question: str | None
    metric: str
    out: str
    runs: int
    pending: tuple[RunSpec, ...]
    status: Status
    reach: Reach
    estimate: Estimate
    facts: DataFacts
    notes: tuple[str, ...] = ()
    outlook: Outlook | None = None
    precisions: tuple[ModelPrecision, ...] = ()
    address: str = field(kw_only=True, repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything that a person should weigh before starting."""
        return (*self.notes, *self.facts.warnings, *self.reach.warnings)

    def _repr_html_(self) -> str:
        counts = f"{self.experiment}: {plural(self.runs, 'run')}, {len(self.pending)} to do; results: {self.out}"
        warnings = html_tables.paragraphs(self.warnings)
        return html_tables.paragraph(counts) + html_tables.table(*self.status.table()) + warnings


def plan(
    resolved: Resolved, *, out: str | None = None, lanes: int | None = None, max_runs: int = grid.MAXIMUM_RUNS
) -> Plan:
    """Plan a sweep; reads the data and the results directory, starts nothing and writes nothing.

    Raises UserError or DataError for what would also stop the sweep.
    """
    cells = (*resolved.adaptations, *grid.runs(resolved, max_runs))
    facts = check_data(resolved)
    store = Store.open(out or default_out(resolved.experiment.experiment))
    recorded = store.recorded()
    pending = tuple(grid.pending(cells, recorded))
    return Plan(
        experiment=resolved.experiment.experiment,
        question=resolved.experiment.question,
        metric=resolved.metric,
        out=store.location,
        address=store.address,
        runs=len(cells),
        pending=pending,
        status=summarise(store, [cell_columns(run) for run in cells], recorded),
        reach=reach(resolved),
        estimate=estimate(store, pending, facts, lanes),
        facts=facts,
        notes=resolved.notes,
        precisions=precisions(resolved),
    )


def precisions(resolved: Resolved) -> tuple[ModelPrecision, ...]:
    """The precision of every model, in the experiment's order."""
    return tuple(
        ModelPrecision(name, found.config.precision, found.why_precision) for name, found in resolved.models.items()
    )


def reach(resolved: Resolved) -> Reach:
    """What the number of seeds and systems can decide at the experiment's alpha (statistics: sign-flip, Holm)."""
    experiment, compare = resolved.experiment, resolved.experiment.compare
    systems = sum(system.unsupported is None for system in resolved.systems)
    comparisons = systems * (systems - 1) // 2
    pairs, alpha = len(experiment.seeds) * len(resolved.folds), compare.alpha
    vary = experiment.split.seed == "run" or len(resolved.folds) > 1
    design: Design = "splits or folds that vary with the run" if vary else "one fixed split"
    if not (comparisons or vary):
        return Reach(design, pairs, 0, alpha, None, None, ("one system: there is nothing to compare",))
    of_a_pair = power.smallest_p_of(primary_method(compare, vary, has_items=False), pairs)
    if of_a_pair is None:
        return Reach(design, pairs, comparisons, alpha, None, None, _few(pairs))
    smallest, needed = min(1.0, comparisons * of_a_pair), power.seeds_needed(comparisons, alpha)
    warnings = _few(pairs)
    if smallest >= alpha:
        unless = "without item predictions " if compare.primary in ("auto", "multi_bootstrap") else ""
        warnings += (
            f"with {pairs} seeds the smallest p that can be reached is {smallest:.3g}, not below alpha {alpha:g}: "
            f"{unless}every verdict would be undecidable; use at least {needed} seeds",
        )
    return Reach(design, pairs, comparisons, alpha, smallest, needed, warnings, of_a_pair)


def _few(pairs: int) -> tuple[str, ...]:
    """What too few pairs allow, by their number."""
    if pairs < 3:
        return (f"{pairs} pairs of runs: the results can only be described, not tested",)
    if pairs < 5:
        return (f"{pairs} pairs of runs: intervals, but no verdict",)
    return ()


def foresee(found: Plan, spread: float | None = None) -> Plan:
    """The plan with what its design can show (`outlook`), from the recorded runs or an assumed spread.

    `spread` is the standard deviation of a pair's score difference over seeds. Raises UserError where there is neither,
    and Corrupt for results that are damaged.
    """
    known = _recorded_spread(found.address) if spread is None else Spread(spread, 0.0, "an assumed spread")
    if known is None:
        raise UserError(
            "no two systems have three finished seeds yet, so nothing is known about their spread; "
            "pass --spread, the standard deviation of a score difference over seeds (0.01, say)"
        )
    reached = found.reach
    return replace(found, outlook=outlook(known, reached.pairs, reached.comparisons, reached.alpha))


def _recorded_spread(address: str) -> Spread | None:
    """None where nothing is there yet, or too little. Raises UserError for runs that do not compare, and Corrupt."""
    from analysis.analyze import analyze
    from analysis.tables.folder import LinkedOutside
    from analysis.tables.read import read
    from analysis.tables.schema import Corrupt

    store = Store.open(address)
    if store.is_empty():
        return None
    try:
        return None if read([address]).runs["score"].notna().sum() < 2 else spread_of(analyze([address]))
    except (Corrupt, LinkedOutside):
        raise
    except ValueError as error:
        raise UserError(f"what {store.location} shows of the spread cannot be used: {error}; pass --spread") from error
