"""Reports how far a sweep is, from its results directory alone, even while the sweep runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analysis.tables.attempts import Newest, file_name
from orchestrator import html_tables
from orchestrator.config.run_spec import system_name
from orchestrator.config.search import Search
from orchestrator.config.search_space import search_id
from orchestrator.storage import Store
from orchestrator.storage.survey import Survey
from orchestrator.storage.trials import TrialLog

FAILED, PENDING, UNSUPPORTED = "failed", "pending", "unsupported"
SHOWN = 10
LOST = "records of finished runs are lost (the next sweep restores those that the tables hold, and runs the others)"
DAMAGED = "records are damaged (the next sweep moves them to quarantine/ and runs them again)"
DAMAGED_ATTEMPTS = "attempts are damaged and left out"


@dataclass(frozen=True)
class SystemStatus:
    """The runs of one system, counted by status. `failed` ones are pending: their newest attempt failed.

    The machine that planned the grid cannot run the `unsupported` ones.
    """

    system: str
    total: int
    completed: int = 0
    collapsed: int = 0
    diverged: int = 0
    pruned: int = 0
    failed: int = 0
    unsupported: int = 0
    pending: int = 0
    control: str | None = None

    @property
    def label(self) -> str:
        """The name, with the kind of control if it is one."""
        return self.system if self.control is None else f"{self.system} ({self.control} control)"


@dataclass(frozen=True)
class TrialStatus:
    """The trials of one system in the search of the current experiment.

    `states` counts them by status (`pending`: without a record); `rungs`: epoch -> number of trials that reached it.
    """

    system: str
    trials: int
    states: Mapping[str, int]
    rungs: Mapping[int, int]


@dataclass(frozen=True)
class Status:
    """All systems of the current grid, and its search. `others` counts records that are neither its cells nor trials.

    `failures`: run -> why it failed; `unsupported`: system -> why its runs are left out; `warnings` say which records
    and attempts are lost or damaged, and what happens to them.
    """

    location: str
    experiment: str | None
    systems: tuple[SystemStatus, ...]
    others: int
    failures: Mapping[str, str] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)
    search: tuple[TrialStatus, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The runs of the whole grid, counted by status."""
        names = ("total", "completed", "collapsed", "diverged", "pruned", FAILED, UNSUPPORTED, PENDING)
        return {name: sum(getattr(system, name) for system in self.systems) for name in names}

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return columns and rows: one row per system, one column for each status that any run has."""
        counts = self.counts
        columns = [name for name in counts if name in ("total", "completed", PENDING) or counts[name]]
        rows = [[system.label, *(getattr(system, name) for name in columns)] for system in self.systems]
        return ["system", *columns], rows

    def _repr_html_(self) -> str:
        return html_tables.table(*self.table()) + html_tables.paragraphs(self.warnings)


def status_of(store: Store) -> Status:
    """Return the status of the results' current grid. Raises CorruptResults."""
    cells, survey = store.cells(), store.survey()
    status = summarise(store, cells, survey.recorded)
    return replace(status, warnings=(*_about_records(survey, cells), *status.warnings))


def _about_records(survey: Survey, cells: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what is wrong with records, and how the next sweep deals with it."""
    names = {cell["run_id"]: label(cell) for cell in cells}
    run_ids = {LOST: survey.lost, DAMAGED: survey.damaged}
    labels = {text: [names.get(run_id, f"run {run_id}") for run_id in listed] for text, listed in run_ids.items()}
    return tuple(f"{text}: {first_of(listed)}" for text, listed in labels.items() if listed)


def first_of(names: Sequence[str]) -> str:
    """Join the first few of many names."""
    return "; ".join(names[:SHOWN]) + (f"; ... ({len(names)} in all)" if len(names) > SHOWN else "")


def summarise(store: Store, cells: Sequence[Mapping[str, Any]], recorded: Mapping[str, str]) -> Status:
    """Return the status of a grid from its cells (run_id, system, seed, fold) and recorded runs (run_id -> status)."""
    tried = {cell["run_id"]: store.newest_attempt(cell["run_id"]) for cell in cells if cell["run_id"] not in recorded}
    failures = _failures(tried)
    counts: dict[str, dict[str, int]] = {}
    for cell in cells:
        state = recorded.get(cell["run_id"]) or _without_record(cell, failures)
        system = counts.setdefault(cell["system"], {})
        system[state] = system.get(state, 0) + 1
        system["total"] = system.get("total", 0) + 1
    labels = {cell["run_id"]: label(cell) for cell in cells}
    trial_logs = store.trial_logs()
    trials = {proposal.run_id for trial_log in trial_logs for proposal in trial_log.proposals()}
    controls = {cell["system"]: cell.get("control") for cell in cells}
    return Status(
        location=store.location,
        experiment=str(cells[0]["experiment"]) if cells else None,
        systems=tuple(SystemStatus(system, control=controls[system], **states) for system, states in counts.items()),
        others=len(set(recorded) - set(labels) - trials),
        failures={labels[run_id]: why for run_id, why in failures.items()},
        unsupported={cell["system"]: cell[UNSUPPORTED] for cell in cells if cell.get(UNSUPPORTED)},
        search=tuple(_trials(trial_log, recorded) for trial_log in _of_this_search(store, trial_logs)),
        warnings=_about_attempts(tried, labels),
    )


def _of_this_search(store: Store, trial_logs: Sequence[TrialLog]) -> list[TrialLog]:
    """Return the logs of the experiment's current `search`, in the order of its systems."""
    experiment = (store.experiment() or {}) if trial_logs else {}
    if experiment.get("search") is None:
        return []
    current = search_id(Search.model_validate_json(json.dumps(experiment["search"])))
    systems = [system_name(model, recipe) for recipe in experiment["recipes"] for model in experiment["models"]]
    logs = {
        about["system"]: trial_log
        for trial_log in trial_logs
        if (about := trial_log.description())["search"] == current
    }
    return [logs[system] for system in systems if system in logs]


def _trials(trial_log: TrialLog, recorded: Mapping[str, str]) -> TrialStatus:
    about, proposals, scores = trial_log.description(), trial_log.proposals(), trial_log.scores().values()
    states = Counter(recorded.get(proposal.run_id, PENDING) for proposal in proposals)
    rungs = {rung: sum(rung in epochs for epochs in scores) for rung in about["rungs"]}
    return TrialStatus(about["system"], len(proposals), dict(states), rungs)


def _without_record(cell: Mapping[str, Any], failures: Mapping[str, str]) -> str:
    if cell.get(UNSUPPORTED):
        return UNSUPPORTED
    return FAILED if cell["run_id"] in failures else PENDING


def failed_runs(store: Store, run_ids: Sequence[str]) -> dict[str, str]:
    """Return which of these runs without a record failed in their newest whole attempt, and why."""
    return _failures({run_id: store.newest_attempt(run_id) for run_id in run_ids})


def _failures(tried: Mapping[str, Newest]) -> dict[str, str]:
    failures = {}
    for run_id, newest in tried.items():
        if newest.attempt is not None and newest.attempt.status == FAILED:
            reason = (newest.attempt.message or "").strip().splitlines()
            failures[run_id] = ": ".join(filter(None, [newest.attempt.kind, reason[-1] if reason else ""]))
    return failures


def _about_attempts(tried: Mapping[str, Newest], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return which attempts cannot be read."""
    named = [f"{labels[run_id]} ({file_name(number)})" for run_id, new in tried.items() for number in new.damaged]
    return (f"{DAMAGED_ATTEMPTS}: {first_of(named)}",) if named else ()


def label(cell: Mapping[str, Any]) -> str:
    """Return a cell's label: system, seed and fold."""
    fold = "" if cell.get("fold") is None else f" fold {cell['fold']}"
    return f"{cell['system']} seed {cell['seed']}{fold}"
