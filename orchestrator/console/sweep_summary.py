"""Prints how a sweep ended: counts, the comparison, where everything is, and what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from analysis.text.warnings import about_runs
from orchestrator.commands.sweep import SweepResult
from orchestrator.console import search_summary, text
from orchestrator.console.console import ARGUMENTS, Console
from orchestrator.errors import UserError
from orchestrator.storage import Store
from orchestrator.units import plural

if TYPE_CHECKING:
    from orchestrator.commands.analyze import AnalyzeResult
    from orchestrator.commands.run import CellResult
    from orchestrator.commands.search import SearchResult

SIGNALLED = 128


def report(console: Console, result: SweepResult, *, analyze: bool, search: SearchResult | None = None) -> int:
    """Print how a sweep ended, with an analysis if possible; return the exit code.

    `search`: the one whose winners were run; a failed trial of it counts in the exit code, too.
    """
    analyzed = _analyzed(console, result) if analyze else None
    warnings = _warnings(result) if analyzed is None else analyzed.analysis.warnings  # these repeat the facts
    for line in (*warnings, *result.problems):
        console.warning(line)
    next_command = _next_command(result)
    code = result.exit_code or (0 if search is None else search.exit_code)
    if console.as_json:
        content = _document(result, analyzed, next_command) | {"exit_code": code}
        console.document(content if search is None else {**content, "search": search_summary.document(search)})
        return code
    if search is not None:
        console.data(f"{search_summary.lines(search)}\n")
    console.data(text.status(result.status))
    if analyzed is not None:
        console.data(f"\n{text.comparison(analyzed)}")
    console.data(f"\n{plural(result.ran, 'run')} executed, {_counted(result)}\nresults: {result.out}")
    if analyzed is not None:
        console.data(f"report:  {analyzed.report}")
    console.data(f"next:    {next_command}")
    return code


def report_cell(console: Console, result: CellResult) -> int:
    """Print how one run ended; return the exit code."""
    warnings = _cut_off(result.address, {result.run.run_id})
    for line in warnings:
        console.warning(line)
    if console.as_json:
        fields = {name: getattr(result, name) for name in ("out", "ran", "status", "score", "error")}
        console.document({"run_id": result.run.run_id, "system": result.run.system, **fields, "warnings": warnings})
        return result.exit_code
    score = "" if result.score is None else f", {result.run.metric} {result.score:.4f}"
    earlier = "" if result.ran else " (recorded earlier; to run it again, `orchestrate forget` it first)"
    error = f" ({result.error})" if result.error else ""
    console.data(f"{result.run.system} seed {result.run.config.seed}: {result.status}{score}{error}{earlier}")
    console.data(f"run {result.run.run_id} in {result.out}")
    return result.exit_code


def _analyzed(console: Console, result: SweepResult) -> AnalyzeResult | None:
    counts = result.status.counts
    if result.exit_code > SIGNALLED or not counts["completed"] + counts["collapsed"]:
        return None
    from orchestrator.commands.analyze import analyze

    try:
        return analyze([result.address])
    except UserError as error:
        console.warning(f"no analysis: {error}")
        return None


def _warnings(result: SweepResult) -> tuple[str, ...]:
    """Return the warnings that an analysis would give, where there is none."""
    run_ids = {cell["run_id"] for cell in Store.open(result.address).cells()}
    return (*result.facts.warnings, *_cut_off(result.address, run_ids))


def _cut_off(out: str, run_ids: set[str]) -> list[str]:
    """Return warnings about items that were cut off in these runs, as far as they have records."""
    table = Store.open(out).table("runs")
    if table is None:
        return []
    runs = table.to_pandas()
    return about_runs(runs[runs["run_id"].isin(run_ids)])


def _counted(result: SweepResult) -> str:
    counts = result.status.counts
    names = [name for name in counts if name != "total" and counts[name]]
    return f"{', '.join(f'{counts[name]} {name}' for name in names)} of {plural(counts['total'], 'run')}"


def _next_command(result: SweepResult) -> str:
    """Return the same command if something is left to do, or else the command that shows the results."""
    arguments = click.get_current_context().meta.get(ARGUMENTS, [])
    if not result.finished:
        return shlex.join(["orchestrate", *arguments])
    return shlex.join(["orchestrate", "results", result.out])


def _document(result: SweepResult, analyzed: AnalyzeResult | None, next_command: str) -> dict[str, Any]:
    return {
        "status": text.status_document(result.status),
        "out": result.out,
        "ran": result.ran,
        "exit_code": result.exit_code,
        "changed": list(result.changed),
        "warnings": [*(_warnings(result) if analyzed is None else result.facts.warnings), *result.problems],
        "analysis": None if analyzed is None else analyzed.analysis.to_json(),
        "report": None if analyzed is None else analyzed.report,
        "next": next_command,
    }
