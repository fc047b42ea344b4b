"""Runs, epochs and predictions of a results directory: compacted tables first, the runs' own files where they lack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.tables import experiment_file
from analysis.tables.attempts import file_name
from analysis.tables.folder import Folder
from analysis.tables.run_directory import RunFolder, file_hashes, read_json, run_folders, tables_of
from analysis.tables.schema import SCHEMAS, Corrupt, Kind, read_parquet, sha256, to_table
from analysis.tables.trials import empty_trials, read_trials

OF_TRIALS = ("metric", "score_split")  # what the runs of trials say of them


@dataclass(frozen=True, eq=False)
class SourceResults:
    """What one source holds; `warnings` say what was left out or repaired.

    `trials` are those of its search, with OF_TRIALS as their runs say; `trial_epochs` are their epochs.
    """

    label: str
    runs: pd.DataFrame
    epochs: pd.DataFrame
    predictions: pd.DataFrame
    experiment: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)
    trials: pd.DataFrame = field(default_factory=empty_trials)
    trial_epochs: pd.DataFrame = field(default_factory=lambda: SCHEMAS["epochs"].empty_table().to_pandas())


def is_results_directory(folder: Folder) -> bool:
    """Whether runs of ours lie here."""
    return folder.is_file("runs.parquet") or folder.is_directory("runs")


def read_directory(results: Folder, *, only_runs: bool = False) -> SourceResults:
    """The fine-tune runs of the current experiment (`experiment.yaml`, `cells.json`), whatever else is there.

    Beside them the trials of its search, where it has any; then there may be no fine-tune run at all.
    A compacted table that is missing or damaged is rebuilt in memory from `runs/<run_id>/`, and so are runs newer than
    it. `only_runs`: epochs and predictions are not read, and empty. Raises Corrupt for a damaged file that nothing can
    replace, ValueError where no run and no trial is usable.
    """
    warnings: list[str] = _notes(results)
    cells = _cells(results)
    own = run_folders(results)
    every = _runs(results, own, warnings)
    trials = read_trials(results)
    runs = _current(every, cells, set(trials["run_id"]), results.label(), warnings)
    if runs.empty and trials.empty:
        raise ValueError(f"{results.label()}: has no fine-tune run of the current experiment yet")
    wanted = set() if only_runs else set(runs["run_id"])
    of_trials = set() if only_runs else set(trials["run_id"]) & set(every["run_id"])
    epochs = _table(results, "epochs", own, wanted | of_trials, warnings)
    return SourceResults(
        results.label(),
        _with_winners(runs, cells),
        epochs[epochs["run_id"].isin(wanted)],
        _table(results, "predictions", own, wanted, warnings),
        _experiment(results),
        warnings,
        _with_runs(trials, every),
        epochs[epochs["run_id"].isin(trials["run_id"])],
    )


def _with_winners(runs: pd.DataFrame, cells: list[dict[str, Any]] | None) -> pd.DataFrame:
    """The runs with the trial whose settings they have, in `winner_of`, where their cells say one."""
    said = {cell["run_id"]: cell["winner_of"] for cell in cells or [] if cell.get("winner_of")}
    return runs.assign(winner_of=runs["run_id"].map(said)) if said else runs


def _with_runs(trials: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """The trials with what their runs say of them."""
    said = runs.drop_duplicates("run_id").set_index("run_id")
    return trials.assign(**{name: trials["run_id"].map(said[name]) for name in OF_TRIALS})


def _notes(results: Folder) -> list[str]:
    """What the sweep knew of its data and every reader must be told."""
    if not results.is_file("notes.json"):
        return []
    content = read_json(results, "notes.json")
    notes = content.get("notes") if isinstance(content, dict) else None
    if not isinstance(notes, list):
        raise Corrupt(f"{results.label('notes.json')}: is not a list of notes")
    return [str(note) for note in notes]


def _experiment(results: Folder) -> dict[str, Any] | None:
    if not results.is_file(experiment_file.EXPERIMENT):
        return None
    data = results.read(experiment_file.EXPERIMENT)
    try:
        return experiment_file.from_bytes(data)
    except ValueError as error:
        raise Corrupt(f"{results.label(experiment_file.EXPERIMENT)}: {error}") from error


def _cells(results: Folder) -> list[dict[str, Any]] | None:
    if not results.is_file("cells.json"):
        return None
    content = read_json(results, "cells.json")
    cells = content.get("cells") if isinstance(content, dict) else content
    if not isinstance(cells, list) or not all(isinstance(cell, dict) and "run_id" in cell for cell in cells):
        raise Corrupt(f"{results.label('cells.json')}: is not a list of cells with a run_id")
    return cells


def _compacted(results: Folder, kind: Kind, warnings: list[str]) -> pd.DataFrame | None:
    name = f"{kind}.parquet"
    if not results.is_file(name):
        return None
    try:
        data = results.read(name)
        expected = _expected_hash(results, name, data)
        frame: pd.DataFrame = read_parquet(data, expected, kind=kind, name=results.label(name)).to_pandas()
    except Corrupt as error:
        warnings.append(f"{error}; the runs' own files were read instead")
        return None
    return frame


def _expected_hash(results: Folder, name: str, data: bytes) -> str | None:
    """The manifest's hash of a table, or of the table before, which a killed compaction leaves; None: no manifest."""
    if not results.is_file("manifest.json"):
        return None
    before = file_hashes(results, "manifest.json", "previous").get(name)
    return before if before == sha256(data) else file_hashes(results, "manifest.json", "tables").get(name, "")


def _runs(results: Folder, own: Mapping[str, RunFolder], warnings: list[str]) -> pd.DataFrame:
    compacted = _compacted(results, "runs", warnings)
    if compacted is None and not own:
        raise Corrupt(
            f"{results.label()}: runs.parquet cannot be used and there is no runs directory to rebuild it from"
        )
    if compacted is None:
        compacted = SCHEMAS["runs"].empty_table().to_pandas()
    if results.is_directory("runs"):
        compacted = _still_there(compacted, own, results.label(), warnings)
    settled = set(compacted.loc[compacted["status"] != "failed", "run_id"])
    fresh = sorted(run_id for run_id, folder in own.items() if folder.is_recorded and run_id not in settled)
    tried = {run_id: own[run_id].newest_attempt() for run_id in sorted(set(own) - settled) if own[run_id].attempts}
    frames = [
        compacted[~compacted["run_id"].isin([*fresh, *tried])],
        tables_of((own[run_id] for run_id in fresh), "runs"),
        to_table("runs", [_of_runs(row) for one in tried.values() if (row := one.failed_row())]).to_pandas(),
    ]
    damaged = [f"runs/{run_id}/{file_name(number)}" for run_id, one in tried.items() for number in one.damaged]
    if damaged:
        warnings.append(f"{results.label()}: attempts are damaged and left out: {_listed(damaged)}")
    return _in_order(_stacked(frames), compacted.loc[~compacted["run_id"].isin(fresh), "run_id"])


def _in_order(runs: pd.DataFrame, first: Iterable[str]) -> pd.DataFrame:
    """The rows of these runs first, in this order; the others after them, as they are."""
    place = {run_id: number for number, run_id in enumerate(first)}
    order = runs["run_id"].map(place).fillna(len(place)).argsort(kind="stable")
    return runs.iloc[order].reset_index(drop=True)


def _still_there(
    compacted: pd.DataFrame, own: Mapping[str, RunFolder], label: str, warnings: list[str]
) -> pd.DataFrame:
    """The rows whose run was not taken out of `runs/` since they were compacted; the others are named."""
    recorded = {run_id for run_id, folder in own.items() if folder.is_recorded}
    failed = compacted["status"] == "failed"
    kept = compacted["run_id"].isin(recorded) | (failed & compacted["run_id"].isin(list(own)))
    gone = [f"{run.system} seed {run.seed} ({run.run_id})" for run in compacted[~kept].itertuples()]
    if gone:
        warnings.append(f"{label}: {len(gone)} rows of runs.parquet have no record any more: {_listed(gone)}")
    return compacted[kept]


def _of_runs(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in SCHEMAS["runs"].names}


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The frames below each other; empty ones have nothing to say about column types."""
    filled = [frame for frame in frames if not frame.empty]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]


def _current(
    runs: pd.DataFrame, cells: list[dict[str, Any]] | None, trials: set[str], label: str, warnings: list[str]
) -> pd.DataFrame:
    """Fine-tune runs of the current grid; the others are named, trials of the current search aside."""
    runs = runs[~runs["run_id"].isin(trials)]
    other_stage = runs["stage"].notna() & (runs["stage"] != "fine-tune")
    if other_stage.any():
        stages = ", ".join(sorted(set(runs.loc[other_stage, "stage"])))
        warnings.append(f"{label}: {int(other_stage.sum())} runs of stage {stages} are not compared")
    runs = runs[~other_stage]
    if cells is None:
        return runs
    grid = {cell["run_id"] for cell in cells}
    others = runs[~runs["run_id"].isin(grid)]
    if not others.empty:
        named = [f"{run.system} seed {run.seed} ({run.run_id})" for run in others.itertuples()]
        warnings.append(
            f"{label}: {len(named)} records are not cells of the current experiment: {_listed(named)}; a sweep whose "
            "models, recipes and seeds name them compares them too, without running them again"
        )
    there = set(runs["run_id"])
    missing = [cell for cell in cells if cell["run_id"] not in there and _is_compared(cell)]
    unsupported = {str(cell.get("system")): cell["unsupported"] for cell in missing if cell.get("unsupported")}
    warnings += [
        f"{label}: {system} is unsupported there and was not run: {why}" for system, why in unsupported.items()
    ]
    pending = [cell for cell in missing if not cell.get("unsupported")]
    if pending:
        named = [f"{cell.get('system')} seed {cell.get('seed')}" for cell in pending]
        warnings.append(f"{label}: {len(named)} of {len(cells)} cells have not run yet: {_listed(named)}")
    return runs[runs["run_id"].isin(grid)]


def _is_compared(cell: Mapping[str, Any]) -> bool:
    return bool(cell.get("stage", "fine-tune") == "fine-tune")


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names[:10]) + ("; ..." if len(names) > 10 else "")


def _table(
    results: Folder, kind: Kind, own: Mapping[str, RunFolder], wanted: set[str], warnings: list[str]
) -> pd.DataFrame:
    """Epochs or predictions of the wanted runs."""
    compacted = _compacted(results, kind, warnings) if wanted else None
    if compacted is None:
        compacted = SCHEMAS[kind].empty_table().to_pandas()
    fresh = sorted(wanted - set(compacted["run_id"]))
    recorded = [own[run_id] for run_id in fresh if run_id in own and own[run_id].is_recorded]
    return _stacked([compacted[compacted["run_id"].isin(wanted)], tables_of(recorded, kind)])
