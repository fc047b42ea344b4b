"""`orchestrate plan`: estimates what a sweep would do: its runs, the p it can reach, its time and its disk space.

Time and disk are estimated from earlier records, or else from a rough model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from analysis import registry as metrics
from analysis.comparison.design import Method, primary_method, seeds_needed, smallest_p_of
from analysis.design_power import DesignPower, Spread, power_of, spread_of
from orchestrator import html_tables
from orchestrator.commands import _machine
from orchestrator.config import resolve
from orchestrator.config.data_check import DataFacts
from orchestrator.config.data_preview import DataPreview, look_at_data
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import UserError
from orchestrator.storage import Store
from orchestrator.storage.cells import cell_columns
from orchestrator.storage.find_results import default_out
from orchestrator.storage.status import Status, summarise
from orchestrator.units import plural
from trainables import registry
from trainables.config import Precision
from trainables.system.hardware import training_hardware

# The rough model. Training takes 6 floating-point operations per weight and token, evaluation 2 (Kaplan et al. 2020,
# arXiv:2001.08361, section 2.1). Rates are what a small encoder reaches on one core with AVX-512 (all its weights
# counted), and a cautious value for a data-centre GPU with such small batches.
TRAIN_OPERATIONS, EVALUATION_OPERATIONS = 6, 2
OPERATIONS_PER_SECOND_AND_CORE = 2.5e11
OPERATIONS_PER_SECOND_AND_GPU = 5e13
UNKNOWN_PARAMETERS = 125_000_000
SHARE_OF_MAXIMUM_LENGTH = 0.4
SECONDS_PER_RUN, SECONDS_TO_START = 1.0, 20.0
BYTES_PER_EVALUATION_ITEM, BYTES_PER_RUN = 200, 50_000
CHECKPOINT_BYTES_PER_PARAMETER, CHECKPOINTS_KEPT = 16, 2
SAVED_BYTES_PER_PARAMETER = 4


@dataclass(frozen=True)
class Estimate:
    """Wall-clock seconds of the pending runs, bytes of their results, and bytes of checkpoints while they run.

    `source` says what the time is estimated from: "earlier records", "a rough model" or both.
    """

    lanes: int
    seconds: float
    result_bytes: int
    checkpoint_bytes: int
    source: str


def estimate(store: Store, pending: Sequence[RunSpec], facts: DataFacts, lanes: int | None) -> Estimate:
    """Estimate what `pending` takes on this machine."""
    devices = len(training_hardware().gpus) or _machine.num_cpus()
    used = max(1, min(lanes or devices, len(pending) or 1))
    measured = _measured(store)
    sources = {"earlier records" if run.settings_id in measured else "a rough model" for run in pending}
    seconds = sum(_seconds(run, facts, measured, used) for run in pending) / used
    largest = max((_parameters(run.config.model.name) for run in pending), default=0)
    return Estimate(
        lanes=used,
        seconds=seconds + SECONDS_TO_START if pending else 0.0,
        result_bytes=len(pending) * (BYTES_PER_RUN + facts.evaluation_items * BYTES_PER_EVALUATION_ITEM)
        + sum(_parameters(run.config.model.name) * SAVED_BYTES_PER_PARAMETER * _models_left(run) for run in pending),
        checkpoint_bytes=largest * CHECKPOINT_BYTES_PER_PARAMETER * CHECKPOINTS_KEPT * used if pending else 0,
        source=" and ".join(sorted(sources)) or "nothing to do",
    )


def _models_left(run: RunSpec) -> int:
    """Return how many models the run leaves on disk: the best one, and those of the last epochs."""
    return int(run.keep) + min(run.keep_epochs, run.config.train.epochs)


def _measured(store: Store) -> dict[str, float]:
    """Return the median seconds of the recorded runs, by settings_id."""
    table = store.table("runs")
    if table is None:
        return {}
    frame = table.select(["settings_id", "seconds_total"]).to_pandas().dropna()
    return {
        str(name): float(seconds) for name, seconds in frame.groupby("settings_id")["seconds_total"].median().items()
    }


def _seconds(run: RunSpec, facts: DataFacts, measured: Mapping[str, float], lanes: int) -> float:
    """Return the seconds of one run while `lanes` runs share the machine."""
    if run.settings_id in measured:
        return measured[run.settings_id]
    train = run.config.train
    facts = facts.adapt if run.stage == "adapt" and facts.adapt is not None else facts
    tokens = train.max_length * SHARE_OF_MAXIMUM_LENGTH
    work = TRAIN_OPERATIONS * facts.train_items + EVALUATION_OPERATIONS * facts.evaluation_items
    operations = work * tokens * train.epochs * _parameters(run.config.model.name)
    num_gpus = len(training_hardware().gpus)
    if num_gpus:
        rate = OPERATIONS_PER_SECOND_AND_GPU * min(1.0, num_gpus / lanes)
    else:
        rate = OPERATIONS_PER_SECOND_AND_CORE * _machine.num_cpus() / lanes
    return SECONDS_PER_RUN + operations / rate


def _parameters(model: str) -> int:
    """Return the number of weights that the preset declares, or else that of a base encoder."""
    if model not in registry.names("model"):
        return UNKNOWN_PARAMETERS
    declared = registry.load("model", model).parameters
    return UNKNOWN_PARAMETERS if declared is None else math.ceil(declared)


Design = Literal["one fixed split", "splits or folds that vary with the run"]


@dataclass(frozen=True)
class Reach:
    """What the design can decide. `smallest_p` and `seeds_needed` are None if the test has no such bound.

    A test over items and seeds, say, has none. `smallest_p` is the p of the first Holm step;
    `smallest_p_of_a_pair` is before correction, as reports show it; `method` is the test.
    """

    design: Design
    pairs: int
    comparisons: int
    alpha: float
    smallest_p: float | None
    seeds_needed: int | None
    warnings: tuple[str, ...] = ()
    smallest_p_of_a_pair: float | None = None
    method: Method | None = None


@dataclass(frozen=True)
class ModelPrecision:
    """The precision that a model will be trained in on this machine, and why."""

    model: str
    precision: Precision
    why: str


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep would do. `pending` are the runs it would execute, in order.

    `rope` is the stated smallest difference that matters. `data` says how the data was read; None if that was not asked
    for. Show `out`, open `address`: the address may hold credentials.
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
    power: DesignPower | None = None
    precisions: tuple[ModelPrecision, ...] = ()
    data: DataPreview | None = None
    rope: float | None = None
    address: str = field(kw_only=True, repr=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything to consider before starting."""
        return (*self.notes, *self.facts.warnings, *(self.data.warnings if self.data else ()), *self.reach.warnings)

    def _repr_html_(self) -> str:
        counts = f"{self.experiment}: {plural(self.runs, 'run')}, {len(self.pending)} to do; results: {self.out}"
        warnings = html_tables.paragraphs(self.warnings)
        return html_tables.paragraph(counts) + html_tables.table(*self.status.table()) + warnings


def plan(
    resolved: ResolvedExperiment,
    *,
    out: str | None = None,
    lanes: int | None = None,
    max_runs: int = resolve.MAXIMUM_RUNS,
    strict: bool = False,
    show_data: bool = True,
) -> SweepPlan:
    """Plan a sweep: read the data and the results directory, start nothing and write nothing.

    Without `show_data`, the data is only checked. Raises UserError or DataError for what would also stop the sweep,
    which may be `strict`.
    """
    cells = (*resolved.adaptations, *resolve.grid_runs(resolved, max_runs))
    facts, data = look_at_data(resolved, strict=strict, show=show_data)
    store = Store.open(out or default_out(resolved.experiment.experiment))
    recorded = store.recorded()
    pending = tuple(resolve.pending(cells, recorded))
    return SweepPlan(
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
        data=data,
        rope=resolved.experiment.compare.rope,
    )


def precisions(resolved: ResolvedExperiment) -> tuple[ModelPrecision, ...]:
    """Return the precision of every model, in the experiment's order."""
    return tuple(
        ModelPrecision(name, model.config.precision, model.why_precision) for name, model in resolved.models.items()
    )


def reach(resolved: ResolvedExperiment) -> Reach:
    """Return what these seeds and systems can decide at the experiment's alpha, by the test that the verdicts will use.

    A test over items and seeds has no smallest p; it stands in for the others wherever the metric is one that can be
    computed from the predictions of single items, which every run records.
    """
    experiment, compare = resolved.experiment, resolved.experiment.compare
    systems = sum(system.unsupported is None for system in resolved.systems)
    comparisons = systems * (systems - 1) // 2 if compare.baseline is None else systems - 1
    pairs, alpha = len(experiment.seeds) * len(resolved.folds), compare.alpha
    has_varying_split = experiment.split.seed == "run" or len(resolved.folds) > 1
    design: Design = "splits or folds that vary with the run" if has_varying_split else "one fixed split"
    if not (comparisons or has_varying_split):
        return Reach(design, pairs, 0, alpha, None, None, ("one system: there is nothing to compare",))
    has_items = resolved.metric in metrics.names("metric") and not has_varying_split
    method = primary_method(compare, has_varying_split, has_items)
    of_a_pair = smallest_p_of(method, pairs)
    if of_a_pair is None or (method == "multi_bootstrap" and has_items):
        return Reach(design, pairs, comparisons, alpha, None, None, _few(pairs), method=method)
    smallest, needed = min(1.0, comparisons * of_a_pair), seeds_needed(comparisons, alpha)
    warnings = _few(pairs)
    if smallest >= alpha:
        warnings += (
            f"with {pairs} seeds the smallest p that can be reached is {smallest:.3g}, not below alpha {alpha:g}: "
            f"every verdict would be undecidable; use at least {needed} seeds",
        )
    return Reach(design, pairs, comparisons, alpha, smallest, needed, warnings, of_a_pair, method)


def _few(pairs: int) -> tuple[str, ...]:
    """Return a warning about what too few pairs allow."""
    if pairs < 3:
        return (f"{pairs} pairs of runs: the results can only be described, not tested",)
    if pairs < 5:
        return (f"{pairs} pairs of runs: intervals, but no verdict",)
    return ()


def with_power(planned: SweepPlan, spread: float | None = None) -> SweepPlan:
    """Return the plan with the `power` of its design, estimated from the recorded runs or an assumed spread.

    `spread` is the standard deviation of a pair's score difference over seeds. Raises UserError if there are neither
    enough runs nor a spread, and Corrupt for damaged results.
    """
    known = _recorded_spread(planned.address) if spread is None else Spread(spread, 0.0, "an assumed spread")
    if known is None:
        raise UserError(
            "no two systems have three finished seeds each, so nothing is known about their spread; "
            "pass --spread, the standard deviation of a score difference over seeds (0.01, say)"
        )
    design = planned.reach
    return replace(planned, power=power_of(known, design.pairs, design.comparisons, design.alpha, planned.rope))


def _recorded_spread(address: str) -> Spread | None:
    """Return the spread of the recorded runs, None if they are too few.

    Raises UserError for runs that cannot be compared, Corrupt for damaged results.
    """
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
        raise UserError(f"{store.location} gives no usable spread: {error}; pass --spread") from error
