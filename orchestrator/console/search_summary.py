"""Prints how a search ended: the best settings of each system, what they cost, and what to type next."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

import click

from orchestrator.commands.search import SearchResult, search_settings
from orchestrator.config.data_check import DataFacts
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.search_space import space_of
from orchestrator.console import text
from orchestrator.console.console import ARGUMENTS, Console
from orchestrator.errors import UserError
from orchestrator.hyperparameter_search.study import Study
from orchestrator.hyperparameter_search.trial import State
from orchestrator.units import plural

STATES: tuple[State, ...] = ("completed", "collapsed", "pruned", "diverged", "failed", "waiting")


def report(console: Console, result: SearchResult, *, analyze: bool, then_sweep: bool) -> int:
    """Print how a search ended, with an analysis if possible; return the exit code."""
    page = _analysed(console, result) if analyze else None
    for line in (*result.facts.warnings, *result.problems):
        console.warning(line)
    next_command = _next_command(result, then_sweep)
    if console.as_json:
        more = {"exit_code": result.exit_code, "report": page, "next": next_command}
        console.document({"search": document(result), "out": result.out, "ran": result.ran, **more})
        return result.exit_code
    console.data(lines(result))
    console.data(f"\n{plural(result.ran, 'run')} executed\nresults: {result.out}")
    if page is not None:
        console.data(f"report:  {page}")
    console.data(f"next:    {next_command}")
    return result.exit_code


def lines(result: SearchResult) -> str:
    """Describe each system: its trials, its best settings, and the score of the file's own settings."""
    return "\n".join(_lines_of(study) for study in result.studies)


def document(result: SearchResult) -> list[dict[str, Any]]:
    """Return the same for `--json`."""
    return [
        {
            "system": study.system.name,
            "metric": study.metric,
            "trials": _counts(study),
            "epochs": sum(trial.epoch for trial in study.trials.values()),
            "best": None if study.best is None else _described(study, study.best),
            "own": _described(study, 1) if 1 in study.trials else None,
        }
        for study in result.studies
    ]


def show_plan(console: Console, resolved: ResolvedExperiment, facts: DataFacts) -> None:
    """Print what a search would try, on which data. Raises UserError if the experiment has no search."""
    settings = search_settings(resolved)
    for line in facts.warnings:
        console.warning(line)
    planned: list[dict[str, Any]] = []
    for system in resolved.systems:
        epochs, space = system.config.train.epochs, space_of(settings, system)
        parameters = {key: distribution.model_dump(mode="json") for key, distribution in space.parameters.items()}
        entry = {
            "system": system.name,
            "trials": settings.trials,
            "epochs": epochs,
            "rungs": list(settings.rungs(epochs)),
        }
        planned.append({**entry, "own": dict(space.own), "parameters": parameters, "unsupported": system.unsupported})
    if console.as_json:
        content = {"search": settings.model_dump(mode="json"), "systems": planned, "data": asdict(facts)}
        console.document({**content, "warnings": list(facts.warnings)})
        return
    for plan in planned:
        console.data(f"{plan['system']}: {plan['trials']} trials of at most {plural(plan['epochs'], 'epoch')}")
        for key, distribution in plan["parameters"].items():
            console.data(f"  {key}: {_distribution_text(distribution)}; the file has {plan['own'][key]}")


def _distribution_text(distribution: dict[str, Any]) -> str:
    kind, values = next((kind, values) for kind, values in distribution.items() if kind not in ("models", "recipes"))
    return f"one of {', '.join(map(str, values))}" if kind == "choice" else f"{kind} {values[0]:g} to {values[1]:g}"


def _analysed(console: Console, result: SearchResult) -> str | None:
    from orchestrator.commands.analyze import analyze

    if result.is_interrupted or not any(trial.is_over for study in result.studies for trial in study.trials.values()):
        return None
    try:
        return analyze([result.address]).report
    except UserError as error:
        console.warning(f"no analysis: {error}")
        return None


def _counts(study: Study) -> dict[str, int]:
    states = [trial.state for trial in study.trials.values()]
    return {state: states.count(state) for state in STATES}


def _lines_of(study: Study) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in _counts(study).items() if count)
    head = f"{study.system.name}: {plural(len(study.trials), 'trial')} ({counts or 'none'})"
    if study.best is None:
        return f"{head}; none ran to its end"
    best, own = study.trials[study.best], study.trials[1]
    reached = f"  best: {study.metric} {study.shown(best.result):.4f} in trial {study.best}"
    compared = (
        "" if own.result is None or study.best == 1 else f" (the file's own settings: {study.shown(own.result):.4f})"
    )
    values = "\n".join(f"    {key} = {text.value(value)}" for key, value in best.values.items())
    return "\n".join(filter(None, [head, reached + compared, values]))


def _described(study: Study, number: int) -> dict[str, Any]:
    trial, run = study.trials[number], study.runs[number]
    score = study.shown(trial.result)
    return {"trial": number, "run_id": run.run_id, "status": trial.state, "score": score, "values": dict(trial.values)}


def _next_command(result: SearchResult, then_sweep: bool) -> str:
    """Return the same command if something is left to do, or else the comparison that gives a verdict."""
    arguments = list(click.get_current_context().meta.get(ARGUMENTS, []))
    if result.finished and not then_sweep:
        arguments.append("--then-sweep")
    return shlex.join(["orchestrate", *arguments])
