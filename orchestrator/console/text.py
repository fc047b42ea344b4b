"""Puts plans, statuses, lists and answers into the words and tables that commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.console.console import aligned, cell, table
from orchestrator.units import duration, plural, size

if TYPE_CHECKING:
    from orchestrator.commands.analyze import AnalyzeResult
    from orchestrator.commands.doctor import MachineCheck
    from orchestrator.commands.list import Entry, Kind
    from orchestrator.commands.plan import SweepPlan
    from orchestrator.commands.verify import DamagedFile as DamageFinding
    from orchestrator.commands.verify import Verification
    from orchestrator.storage.status import Status, TrialStatus


def listing(kinds: Mapping[Kind, Sequence[Entry]]) -> str:
    """Every kind with its entries."""
    parts = []
    for kind, entries in kinds.items():
        lines = aligned([[f"  {entry.name}", cell(entry.description)] for entry in entries])
        parts.append(f"{kind}\n{lines or '  none'}")
    return "\n\n".join(parts)


def status(found: Status) -> str:
    """A table of systems by what became of their runs, and why runs failed."""
    text = table(*found.table())
    if found.failures:
        text += "\n\nfailed (the next sweep tries them again):\n"
        text += "\n".join(f"  {label}: {why}" for label, why in found.failures.items())
    if found.unsupported:
        text += "\n\nunsupported on this machine (left out, and not failed):\n"
        text += "\n".join(f"  {system}: {why}" for system, why in found.unsupported.items())
    if found.search:
        text = "\n\n".join(filter(None, [text if found.systems else "", _trials(found.search)]))
    if found.others:
        text += f"\n\n{plural(found.others, 'record')} of earlier settings kept, not part of this grid"
    return text


def value(found: Any) -> str:
    """A setting as a person writes it."""
    return f"{found:g}" if isinstance(found, float) else str(found)


def _trials(search: Sequence[TrialStatus]) -> str:
    """The trials of each system by what became of them, and how many reached each rung."""
    states = list(dict.fromkeys(state for found in search for state in found.states))
    rungs = sorted({rung for found in search for rung in found.rungs})
    rows = [
        [found.system, found.trials, *(found.states.get(state, 0) for state in states)]
        + [found.rungs.get(rung, "-") for rung in rungs]
        for found in search
    ]
    return table(["search", "trials", *states, *(f"epoch {rung}" for rung in rungs)], rows)


def status_document(found: Status) -> dict[str, Any]:
    """The same for `--json`."""
    return {**asdict(found), "counts": found.counts}


def plan(found: SweepPlan) -> str:
    """The grid, what it can decide, what it costs."""
    facts, reach = found.facts, found.reach
    left_out = found.status.counts["unsupported"]
    recorded = found.runs - len(found.pending) - left_out
    left = f", {left_out} unsupported on this machine" if left_out else ""
    sizes = f"{facts.items} items, {facts.labels} labels"
    lines = [
        ["experiment", found.experiment + (f": {found.question}" if found.question else "")],
        ["data", f"{sizes}; {facts.train_items} train, {facts.evaluation_items} evaluate"],
        ["results", found.out],
        ["runs", f"{found.runs} in the grid, {recorded} recorded, {len(found.pending)} to do{left}"],
        ["metric", found.metric],
        [
            "design",
            f"{reach.design}; {plural(reach.pairs, 'pair')} for each of {plural(reach.comparisons, 'comparison')}",
        ],
    ]
    lines += _precisions(found)
    if reach.smallest_p is not None:
        needed = f"; {reach.seeds_needed} seeds are the fewest that can" if reach.seeds_needed else ""
        verb = "can" if reach.smallest_p < reach.alpha else "cannot"
        of_one = f"{reach.smallest_p_of_a_pair:.3g} for one comparison, " if reach.comparisons > 1 else ""
        reached = f"{of_one}{reach.smallest_p:.3g} after Holm"
        lines.append(["smallest p", f"{reached}: {verb} be below alpha {reach.alpha:g}{needed}"])
    lines += _outlook(found)
    lines += _costs(found)
    return f"{aligned([[key, cell(text)] for key, text in lines])}\n\n{status(found.status)}"


def _precisions(found: SweepPlan) -> list[list[str]]:
    """What every model trains in on this machine, and why: a line each."""
    texts = [f"{entry.precision} for {entry.model} ({entry.why})" for entry in found.precisions]
    return [["" if number else "precision", text] for number, text in enumerate(texts)]


def _outlook(found: SweepPlan) -> list[list[str]]:
    """What the design can show; nothing where nobody asked."""
    outlook = found.outlook
    if outlook is None:
        return []
    spread = outlook.spread
    of_items = f", items leave {spread.of_items:.3g} on a mean" if spread.of_items else ""
    shown = "nothing" if outlook.detectable is None else f"differences from {outlook.detectable:.3g} on"
    needed = "; ".join(
        f"{entry.difference:g} takes {f'{entry.seeds} seeds' if entry.seeds else 'more items'}"
        for entry in outlook.needed
    )
    return [
        ["spread", f"a difference varies by {spread.of_seeds:.3g} over seeds{of_items} (from {spread.source})"],
        ["power", f"{plural(outlook.seeds, 'seed')} show {shown} in 80% of experiments"],
        ["", needed],
    ]


def _costs(found: SweepPlan) -> list[list[str]]:
    if not found.pending:
        return []
    estimate = found.estimate
    time = f"about {duration(estimate.seconds)} on {plural(estimate.lanes, 'lane')} (from {estimate.source})"
    disk = f"about {size(estimate.result_bytes)} of results"
    checkpoints = f"up to {size(estimate.checkpoint_bytes)} of checkpoints while runs are under way"
    return [["time", time], ["disk", f"{disk}, {checkpoints}"]]


def plan_document(found: SweepPlan) -> dict[str, Any]:
    """The same for `--json`."""
    return {
        "experiment": found.experiment,
        "question": found.question,
        "metric": found.metric,
        "out": found.out,
        "runs": found.runs,
        "pending": [
            {"run_id": run.run_id, "system": run.system, "seed": run.config.seed, "fold": run.config.fold}
            for run in found.pending
        ],
        "status": status_document(found.status),
        "reach": asdict(found.reach),
        "estimate": asdict(found.estimate),
        "data": asdict(found.facts),
        "precisions": [asdict(entry) for entry in found.precisions],
        "power": None if found.outlook is None else asdict(found.outlook),
        "warnings": list(found.warnings),
    }


def verification(found: Verification) -> str:
    """What is damaged, a line each with what to do; after a repair, first what was repaired."""
    parts = [found.location]
    if found.repaired:
        parts += ["repaired:", *map(_damage, found.repaired)]
    if found.damage:
        parts += [*(["left:"] if found.repaired else []), *map(_damage, found.damage)]
    elif not found.repaired:
        parts.append("nothing is damaged")
    return "\n".join(parts)


def _damage(found: DamageFinding) -> str:
    return f"  {cell(found.path)}: {cell(found.reason)}; {found.action}"


def findings(found: Sequence[MachineCheck]) -> str:
    """What the doctor saw, one line each, and what to do."""
    marks = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
    lines = []
    for finding in found:
        lines.append([marks[finding.state], finding.name, finding.text])
        if finding.advice:
            lines.append(["", "", f"-> {finding.advice}"])
    return aligned(lines)


def conclusion(found: AnalyzeResult) -> str:
    """The answer: headline, what it generalises over, systems, pairs."""
    from analysis.formatting import p_value
    from analysis.report.pair_tables import pairs_shown
    from analysis.report.table import labelled

    analysis = found.analysis
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
