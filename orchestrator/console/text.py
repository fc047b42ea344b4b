"""Writes plans, statuses, lists and comparisons as the sentences and tables that commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.console.console import aligned, cell, table
from orchestrator.console.data_preview import data_document, facts_line, preview_lines
from orchestrator.units import duration, plural, size

if TYPE_CHECKING:
    from analysis.design_power import Needed
    from orchestrator.commands.analyze import AnalyzeResult
    from orchestrator.commands.doctor import MachineCheck
    from orchestrator.commands.list import Entry, Kind
    from orchestrator.commands.plan import SweepPlan
    from orchestrator.commands.verify import DamagedFile, Verification
    from orchestrator.storage.status import Status, TrialStatus


def listing(kinds: Mapping[Kind, Sequence[Entry]]) -> str:
    """Return every kind with its entries."""
    parts = []
    for kind, entries in kinds.items():
        lines = aligned([[f"  {entry.name}", cell(entry.description)] for entry in entries])
        parts.append(f"{kind}\n{lines or '  none'}")
    return "\n\n".join(parts)


def status(sweep: Status) -> str:
    """Return a table of systems by the state of their runs, and why runs failed."""
    text = table(*sweep.table())
    if sweep.failures:
        text += "\n\nfailed (the next sweep tries them again):\n"
        text += "\n".join(f"  {label}: {why}" for label, why in sweep.failures.items())
    if sweep.unsupported:
        text += "\n\nunsupported on this machine (left out, and not failed):\n"
        text += "\n".join(f"  {system}: {why}" for system, why in sweep.unsupported.items())
    if sweep.search:
        text = "\n\n".join(filter(None, [text if sweep.systems else "", _trials(sweep.search)]))
    if sweep.others:
        text += f"\n\n{plural(sweep.others, 'record')} of earlier settings kept, not part of this grid"
    return text


def value(setting: Any) -> str:
    """Return a setting as a person writes it."""
    return f"{setting:g}" if isinstance(setting, float) else str(setting)


def _trials(search: Sequence[TrialStatus]) -> str:
    """Return a table of each entry's trials by state, and how many reached each rung."""
    states = list(dict.fromkeys(state for entry in search for state in entry.states))
    rungs = sorted({rung for entry in search for rung in entry.rungs})
    rows = [
        [entry.system, entry.trials, *(entry.states.get(state, 0) for state in states)]
        + [entry.rungs.get(rung, "-") for rung in rungs]
        for entry in search
    ]
    return table(["search", "trials", *states, *(f"epoch {rung}" for rung in rungs)], rows)


def status_document(sweep: Status) -> dict[str, Any]:
    """Return the same for `--json`."""
    return {**asdict(sweep), "counts": sweep.counts}


def plan(planned: SweepPlan) -> str:
    """Return the grid, what it can decide, and what it costs."""
    from analysis.formatting import METHODS

    reach = planned.reach
    left_out = planned.status.counts["unsupported"]
    recorded = planned.runs - len(planned.pending) - left_out
    left = f", {left_out} unsupported on this machine" if left_out else ""
    lines = [
        ["experiment", planned.experiment + (f": {planned.question}" if planned.question else "")],
        facts_line(planned.facts),
        *([] if planned.data is None else preview_lines(planned.data)),
        ["results", planned.out],
        ["runs", f"{planned.runs} in the grid, {recorded} recorded, {len(planned.pending)} to do{left}"],
        ["metric", planned.metric],
        [
            "design",
            f"{reach.design}; {plural(reach.pairs, 'pair')} for each of {plural(reach.comparisons, 'comparison')}",
        ],
    ]
    lines += [["test", METHODS[reach.method]]] if reach.method is not None else []
    lines += _precisions(planned)
    if reach.smallest_p is not None:
        needed = f"; {reach.seeds_needed} seeds are the fewest that can" if reach.seeds_needed else ""
        verb = "can" if reach.smallest_p < reach.alpha else "cannot"
        of_one = f"{reach.smallest_p_of_a_pair:.3g} for one comparison, " if reach.comparisons > 1 else ""
        reached = f"{of_one}{reach.smallest_p:.3g} after Holm"
        lines.append(["smallest p", f"{reached}: {verb} be below alpha {reach.alpha:g}{needed}"])
    lines += _power(planned)
    lines += _costs(planned)
    return f"{aligned([[key, cell(text)] for key, text in lines])}\n\n{status(planned.status)}"


def _precisions(planned: SweepPlan) -> list[list[str]]:
    """Return each model's precision on this machine, and why, one line each."""
    texts = [f"{entry.precision} for {entry.model} ({entry.why})" for entry in planned.precisions]
    return [["" if number else "precision", text] for number, text in enumerate(texts)]


def _power(planned: SweepPlan) -> list[list[str]]:
    """Return what the design can show; nothing unless it was asked for."""
    power = planned.power
    if power is None:
        return []
    spread = power.spread
    of_items = f", and its mean by {spread.of_items:.3g} over items" if spread.of_items else ""
    shown = "nothing" if power.detectable is None else f"differences of {power.detectable:.3g} or more"
    needed = "; ".join(f"{entry.difference:g} takes {_needed(entry)}" for entry in power.needed)
    return [
        ["spread", f"a difference varies by {spread.of_seeds:.3g} over seeds{of_items} (from {spread.source})"],
        ["power", f"{plural(power.seeds, 'seed')} show {shown} in 80% of experiments"],
        ["", needed if planned.rope else f"{needed}; state the one that matters as compare.rope"],
    ]


def _needed(entry: Needed) -> str:
    """Write the seeds that show a difference or, with the planned seeds, the items."""
    from analysis.comparison.growth import written

    seeds = written(entry.range, "seeds") if entry.fewest is not None else "more items"
    if entry.items is None or entry.seeds is not None:
        return seeds
    return f"{seeds}, or {written(entry.items, 'items')} with the planned seeds"


def _costs(planned: SweepPlan) -> list[list[str]]:
    if not planned.pending:
        return []
    estimate = planned.estimate
    time = f"about {duration(estimate.seconds)} on {plural(estimate.lanes, 'lane')} (from {estimate.source})"
    disk = f"about {size(estimate.result_bytes)} of results"
    checkpoints = f"up to {size(estimate.checkpoint_bytes)} of checkpoints during the runs"
    return [["time", time], ["disk", f"{disk}, {checkpoints}"]]


def plan_document(planned: SweepPlan) -> dict[str, Any]:
    """Return the same for `--json`."""
    return {
        "experiment": planned.experiment,
        "question": planned.question,
        "metric": planned.metric,
        "out": planned.out,
        "runs": planned.runs,
        "pending": [
            {"run_id": run.run_id, "system": run.system, "seed": run.config.seed, "fold": run.config.fold}
            for run in planned.pending
        ],
        "status": status_document(planned.status),
        "reach": asdict(planned.reach),
        "estimate": asdict(planned.estimate),
        "data": data_document(planned.facts, planned.data),
        "precisions": [asdict(entry) for entry in planned.precisions],
        "power": None if planned.power is None else asdict(planned.power),
        "warnings": list(planned.warnings),
    }


def verification(result: Verification) -> str:
    """Return what is damaged and what to do, one line each; after a repair, first what was repaired."""
    parts = [result.location]
    if result.repaired:
        parts += ["repaired:", *map(_damaged_file, result.repaired)]
    if result.damage:
        parts += [*(["left:"] if result.repaired else []), *map(_damaged_file, result.damage)]
    elif not result.repaired:
        parts.append("nothing is damaged")
    return "\n".join(parts)


def _damaged_file(file: DamagedFile) -> str:
    return f"  {cell(file.path)}: {cell(file.reason)}; {file.action}"


def machine_checks(checks: Sequence[MachineCheck]) -> str:
    """Return one line per check, and what to do."""
    marks = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
    lines = []
    for check in checks:
        lines.append([marks[check.state], check.name, check.text])
        if check.advice:
            lines.append(["", "", f"-> {check.advice}"])
    return aligned(lines)


def comparison(result: AnalyzeResult) -> str:
    """Return the tables of systems and pairs, the headline, and what it generalises over."""
    from analysis.formatting import p_value
    from analysis.report.pair_tables import pairs_shown
    from analysis.report.table import labelled

    analysis = result.analysis
    systems = table(
        ["system", "n", "mean", "std", "min", "max"],
        [
            [labelled(analysis, str(row.system)), row.n, row.mean, row.std, row.min, row.max]
            for row in analysis.systems.itertuples()
        ],
    )
    pairs = table(
        ["a", "b", "pairs", "a - b", "ci low", "ci high", "p (Holm)", "verdict for a"],
        [
            [*row[:-2], p_value(row[-2]), row[-1]]
            for row in pairs_shown(analysis)[
                ["a", "b", "n_pairs", "mean_diff", "primary_ci_low", "primary_ci_high", "primary_p_holm", "verdict"]
            ].itertuples(index=False)
        ],
    )
    parts = [f"{analysis.metric}\n{systems}"] if len(analysis.systems) else []
    if len(analysis.comparisons):
        parts.append(pairs)
    return "\n\n".join([*parts, analysis.headline, analysis.claim])
