"""Reads a results directory: from the compacted tables, and from the runs' own files where those lack rows."""

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

OF_TRIALS = ("metric", "score_split")  # columns that trials take from their runs


@dataclass(frozen=True, eq=False)
class SourceResults:
    """What one source holds; `warnings` say what was left out or repaired.

    `trials` are the trials of its search, with OF_TRIALS from their runs; `trial_epochs` are their epochs.
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
    """Return whether the folder holds runs of this program."""
    return folder.is_file("runs.parquet") or folder.is_directory("runs")


def read_directory(results: Folder, *, only_runs: bool = False) -> SourceResults:
    """Read the fine-tune runs of the current experiment (`experiment.yaml`, `cells.json`) and no other runs.

    Also reads the trials of its search, if it has any; then there may be no fine-tune run at all. Compacted tables that
    are missing or damaged are rebuilt in memory from `runs/<run_id>/`, as are rows of newer runs. `only_runs`: epochs
    and predictions are not read, and empty. Raises Corrupt for a damaged file that nothing can replace, ValueError if
    no run and no trial is usable.
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
    """Add the trial whose settings a run has, in `winner_of`, if any cell names one."""
    winners = {cell["run_id"]: cell["winner_of"] for cell in cells or [] if cell.get("winner_of")}
    return runs.assign(winner_of=runs["run_id"].map(winners)) if winners else runs


def _with_runs(trials: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Add OF_TRIALS from the runs of the trials."""
    by_id = runs.drop_duplicates("run_id").set_index("run_id")
    return trials.assign(**{name: trials["run_id"].map(by_id[name]) for name in OF_TRIALS})


def _notes(results: Folder) -> list[str]:
    """Return what the sweep noted about its data, for every reader to see."""
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
    """Return the manifest's hash of a table, or of the previous one if compaction was killed; None: no manifest."""
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
    attempts = {run_id: own[run_id].newest_attempt() for run_id in sorted(set(own) - settled) if own[run_id].attempts}
    frames = [
        compacted[~compacted["run_id"].isin([*fresh, *attempts])],
        tables_of((own[run_id] for run_id in fresh), "runs"),
        to_table("runs", [_of_runs(row) for newest in attempts.values() if (row := newest.failed_row())]).to_pandas(),
    ]
    damaged = [f"runs/{run_id}/{file_name(number)}" for run_id, newest in attempts.items() for number in newest.damaged]
    if damaged:
        warnings.append(f"{results.label()}: attempts are damaged and left out: {_listed(damaged)}")
    return _in_order(_stacked(frames), compacted.loc[~compacted["run_id"].isin(fresh), "run_id"])


def _in_order(runs: pd.DataFrame, first: Iterable[str]) -> pd.DataFrame:
    """Put the rows of the `first` runs first, in that order; the others follow in their own order."""
    rank = {run_id: number for number, run_id in enumerate(first)}
    order = runs["run_id"].map(rank).fillna(len(rank)).argsort(kind="stable")
    return runs.iloc[order].reset_index(drop=True)


def _still_there(
    compacted: pd.DataFrame, own: Mapping[str, RunFolder], label: str, warnings: list[str]
) -> pd.DataFrame:
    """Keep the rows whose run is still in `runs/` since they were compacted; name the others in `warnings`."""
    recorded = {run_id for run_id, folder in own.items() if folder.is_recorded}
    failed = compacted["status"] == "failed"
    kept = compacted["run_id"].isin(recorded) | (failed & compacted["run_id"].isin(list(own)))
    gone = [f"{run.system} seed {run.seed} ({run.run_id})" for run in compacted[~kept].itertuples()]
    if gone:
        warnings.append(f"{label}: {len(gone)} rows of runs.parquet no longer have a record: {_listed(gone)}")
    return compacted[kept]


def _of_runs(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in SCHEMAS["runs"].names}


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate the frames; empty ones do not affect column types."""
    filled = [frame for frame in frames if not frame.empty]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]


def _current(
    runs: pd.DataFrame, cells: list[dict[str, Any]] | None, trials: set[str], label: str, warnings: list[str]
) -> pd.DataFrame:
    """Keep the fine-tune runs of the current grid; name all others, except trials of the search, in `warnings`."""
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
            "models, recipes and seeds include them compares them too, without running them again"
        )
    present = set(runs["run_id"])
    missing = [cell for cell in cells if cell["run_id"] not in present and _is_compared(cell)]
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
    """Return the epochs or predictions of the wanted runs."""
    compacted = _compacted(results, kind, warnings) if wanted else None
    if compacted is None:
        compacted = SCHEMAS[kind].empty_table().to_pandas()
    fresh = sorted(wanted - set(compacted["run_id"]))
    recorded = [own[run_id] for run_id in fresh if run_id in own and own[run_id].is_recorded]
    return _stacked([compacted[compacted["run_id"].isin(wanted)], tables_of(recorded, kind)])
