"""Reads result tables as one value, from results directories or from tables of other tools.

What other tools write is read in `foreign/`. Tables are also exported as CSV that a spreadsheet opens as data: no text
cell can start a formula.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.config import Direction
from analysis.tables.folder import Folder
from analysis.tables.foreign import across
from analysis.tables.foreign.read import SUFFIXES, is_known_folder, read_file, read_folder, stem_of, suffix_of
from analysis.tables.foreign.table import Columns
from analysis.tables.normalize import KEYS, data_set_labels, normalize
from analysis.tables.results_directory import SourceResults, is_results_directory, read_directory
from analysis.tables.schema import EPOCHS, PREDICTIONS, declares_table, read_parquet
from analysis.tables.trials import empty_trials

__all__ = ["SUFFIXES", "Columns", "Origin", "Results", "read", "to_csv"]

OWN_FILES = ("runs.parquet", "epochs.parquet", "predictions.parquet", "trials.parquet")
NO_COLUMNS = Columns()
# May legitimately differ between two executions, but must be reported if it does.
_ENVIRONMENT = (
    "device", "hardware", "world_size", "torch_version", "transformers_version", "ray_version", "python_version",
    "orchestrate_version", "orchestrate_commit", "git_commit",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """One source: its name, the resolved experiment file in it (None if there is none), and what made its runs.

    `made_by` lists commands without arguments, such as `sweep` and `search --then-sweep`.
    """

    label: str
    experiment: dict[str, Any] | None
    made_by: tuple[str, ...]

    @property
    def can_be_repeated(self) -> bool:
        """Whether there is an experiment file to repeat."""
        return self.experiment is not None and isinstance(self.experiment.get("experiment"), str)


@dataclass(frozen=True, eq=False)
class Results:
    """Runs that can be compared, and what is known about them.

    `runs` has one row per run and always the columns system, seed, split_seed, fold, status and score (float, NaN if
    the run has none); all other columns of the source are kept. `epochs` and `predictions` follow `tables.schema` and
    are empty (with their columns) if the source had none. `experiment` is the resolved experiment file, or None.
    `trials` are the trials of a search (`analysis.tables.trials`), which are never compared, and `trial_epochs` their
    epochs; `runs` may be empty if there are trials. `origins` says where each source came from.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    predictions: pd.DataFrame
    experiment: dict[str, Any] | None
    warnings: tuple[str, ...]
    sources: tuple[str, ...]
    trials: pd.DataFrame = field(default_factory=empty_trials)
    trial_epochs: pd.DataFrame = field(default_factory=lambda: EPOCHS.empty_table().to_pandas())
    origins: tuple[Origin, ...] = ()


def read(
    sources: Sequence[str | Path],
    *,
    only_runs: bool = False,
    columns: Columns = NO_COLUMNS,
    direction: Direction = "maximize",
) -> Results:
    """Read one or more results directories and tables of other tools as one comparison.

    Nothing is dropped silently: `warnings` names all that is not compared, and says how tables of other tools were
    read. `columns` says what their columns mean where their names do not. `only_runs` leaves the epochs and
    predictions of directories unread, and empty. Raises FileNotFoundError for a missing source, Corrupt for damaged
    results of this program, and ValueError for tables that cannot be read without guessing and for runs that must not
    be compared: two settings of one system on one data set, one cell twice, one data set with different contents.
    Several data sets can be read together: see `comparison.systems.data_set_means`.
    """
    if not sources:
        raise ValueError("nothing to read: name a results directory or a CSV, TSV or Parquet file")
    folders = [Folder.at(source) for source in sources]
    own = [_is_own(folder) for folder in folders]
    if all(own) and columns.given:
        raise ValueError(f"{', '.join(columns.given)} is for tables of other tools, but every source is ours")
    names = _file_names([folder for folder, is_own in zip(folders, own, strict=True) if not is_own])
    parts = [
        _normal(_read_own(folder, only_runs) if is_own else _read_foreign(folder, columns, names.get(folder.path)))
        for folder, is_own in zip(folders, own, strict=True)
    ]
    warnings = [warning for part in parts for warning in part.warnings]
    foreign = [(part.label, part.runs) for part, is_own in zip(parts, own, strict=True) if not is_own]
    across.refuse_pooled(foreign, columns.ignore)
    runs = _once(_concatenated([part.runs for part in parts]), warnings)
    _refuse_mixtures(runs)
    if not all(own):
        warnings += [*across.similar_names(runs), *across.refuse_two_units(runs, direction)]
    warnings += [*_limits(parts), *_mixed_environment(runs)]
    searched = _searched(parts, warnings)
    first = sorted(parts, key=lambda part: part is not searched)
    experiment = _experiment([part.experiment for part in first if part.experiment is not None])
    return Results(
        runs=runs,
        epochs=_stack([part.epochs for part in parts]),
        predictions=_stack([part.predictions for part in parts]),
        experiment=experiment,
        warnings=tuple(warnings),
        sources=tuple(part.label for part in parts),
        trials=searched.trials,
        trial_epochs=searched.trial_epochs,
        origins=tuple(Origin(part.label, part.experiment, _made_by(part)) for part in parts),
    )


def _made_by(part: SourceResults) -> tuple[str, ...]:
    if part.trials.empty:
        return ("sweep",)
    if part.runs.empty:
        return ("search",)
    return ("search --then-sweep",) if "winner_of" in part.runs.columns else ("search", "sweep")


def _concatenated(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate runs. Sources without a compared run do not affect column types."""
    filled = [frame for frame in frames if not frame.empty]
    return pd.concat(filled or frames, ignore_index=True)


def _searched(parts: Sequence[SourceResults], warnings: list[str]) -> SourceResults:
    """Return the source whose trials are shown: the only one that has any."""
    searches = [part for part in parts if not part.trials.empty]
    if len(searches) < 2:
        return (searches or parts)[0]
    listed = ", ".join(part.label for part in searches)
    warnings.append(f"the searches of {listed} cannot be shown together; analyse each of them alone")
    return replace(parts[0], trials=empty_trials(), trial_epochs=parts[0].trial_epochs.iloc[:0])


def _experiment(files: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the only experiment file, or the names of several experiments and the comparison rules they share."""
    names = list(dict.fromkeys(str(content.get("experiment")) for content in files))
    if len(names) < 2:
        return files[0] if files else None
    rules = [content.get("compare") or {} for content in files]
    shared = {key: value for key, value in rules[0].items() if all(other.get(key) == value for other in rules[1:])}
    return {"experiment": " + ".join(names), "compare": shared}


def _is_own(folder: Folder) -> bool:
    """Return whether a source holds results of this program. Raises FileNotFoundError if there is no such source."""
    if folder.is_directory():
        return is_results_directory(folder) and not (_has_no_mark(folder) and is_known_folder(folder))
    if not folder.is_file():
        raise FileNotFoundError(f"{folder.label()}: there is no such file or directory")
    is_parquet = suffix_of(folder.path) == ".parquet"
    return is_parquet and (folder.path.rpartition("/")[2] in OWN_FILES or declares_table(folder.content()))


def _has_no_mark(folder: Folder) -> bool:
    """Return whether a folder with `runs/` holds nothing else that a sweep writes: other tools call theirs so, too."""
    return not any(folder.is_file(name) for name in ("runs.parquet", "cells.json", "experiment.yaml", "manifest.json"))


def _read_own(folder: Folder, only_runs: bool) -> SourceResults:
    """Read a results directory, or one of its tables. Raises ValueError if it has no rows, Corrupt if damaged."""
    if folder.is_directory():
        return read_directory(folder, only_runs=only_runs)
    frame: pd.DataFrame = read_parquet(folder.content(), name=folder.label()).to_pandas()
    if frame.empty:
        raise ValueError(f"{folder.label()}: holds no runs")
    return SourceResults(folder.label(), frame, EPOCHS.empty_table().to_pandas(), PREDICTIONS.empty_table().to_pandas())


def _read_foreign(folder: Folder, columns: Columns, named_by: str | None) -> SourceResults:
    if folder.is_file():
        return read_file(folder, columns, named_by)
    results = read_folder(folder, columns)
    if results is None:
        raise ValueError(
            f"{folder.label()}: is not a results directory: it has neither runs.parquet nor runs/, and no tables or "
            "results of another tool; name a file of runs, or the folder that has them"
        )
    return results


def _file_names(folders: Sequence[Folder]) -> dict[str, str]:
    """Return the name of each of several files, without its ending, by path: the system of a file that names none."""
    files = [folder for folder in folders if folder.is_file()]
    if len(files) < 2:
        return {}
    stems = Counter(stem_of(file.path) for file in files)
    return {
        file.path: stem if stems[stem := stem_of(file.path)] == 1 else f"{stem_of(file.path.rpartition('/')[0])}/{stem}"
        for file in files
    }


def _normal(part: SourceResults) -> SourceResults:
    runs, warnings = normalize(part.runs, part.label)
    return replace(part, runs=runs, warnings=[*part.warnings, *warnings])


def _stack(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if not frame.empty]
    if len(filled) < 2:
        return filled[0] if filled else frames[0]
    stacked = pd.concat(filled, ignore_index=True)
    keys = [name for name in ("run_id", "epoch", "split", "item", "position") if name in stacked.columns]
    return stacked.drop_duplicates(subset=keys, ignore_index=True)


def _once(runs: pd.DataFrame, warnings: list[str]) -> pd.DataFrame:
    """Keep every run id once: the first record, and a record rather than a failed attempt."""
    if "run_id" not in runs.columns:
        return runs
    named = runs["run_id"].notna()
    order = runs.assign(_failed=runs["status"] == "failed").sort_values("_failed", kind="stable").index
    repeated = runs.loc[order].duplicated(subset="run_id").reindex(runs.index) & named
    if repeated.any():
        spread = runs[named].groupby("run_id")["score"].agg(lambda scores: scores.max() - scores.min()).max()
        warnings.append(
            f"{int(repeated.sum())} runs are in more than one source; the first record of each is used "
            f"(their scores differ by at most {0.0 if pd.isna(spread) else spread:.6g})"
        )
    return runs[~repeated].reset_index(drop=True)


def _refuse_mixtures(runs: pd.DataFrame) -> None:
    data_sets = data_set_labels(runs)
    _refuse_settings(runs, data_sets)
    if "dataset_fingerprint" in runs.columns:
        for name, fingerprints in runs["dataset_fingerprint"].dropna().groupby(data_sets):
            if fingerprints.nunique() > 1:
                listed = ", ".join(sorted(fingerprints.astype(str).unique()))
                named = f" of data set {name!r}" if name else ""
                contents = f"{fingerprints.nunique()} contents of the data{named} ({listed})"
                raise ValueError(f"the runs are of {contents}; their scores cannot be compared")
    cell = ["system", *KEYS]
    twice = runs[runs.assign(_data_set=data_sets).duplicated(subset=[*cell, "_data_set"], keep=False)]
    if not twice.empty:
        first = twice.iloc[0]
        key = ", ".join(f"{name} {first[name]}" for name in cell if not pd.isna(first[name]))
        raise ValueError(
            f"{len(twice)} runs share their cell with another run, the first of them {key}; leave the repeated runs "
            "out, or give the systems of each source names of their own"
        )


def _refuse_settings(runs: pd.DataFrame, data_sets: pd.Series[str]) -> None:
    if "settings_id" not in runs.columns:
        return
    for (system, _), settings in runs["settings_id"].groupby([runs["system"], data_sets]):
        if settings.nunique() > 1:
            raise ValueError(
                f"system {system!r} has runs with {settings.nunique()} different settings "
                f"({', '.join(sorted(settings.dropna().unique()))}); they are not one system"
            )


def _limits(parts: Sequence[SourceResults]) -> list[str]:
    """Warn of limited data sets, which give no real result, even if the sweep's own notes are gone."""
    warnings = []
    for part in parts:
        data = (part.experiment or {}).get("data")
        limit = data.get("limit") if isinstance(data, dict) else None
        if limit is not None and not any("not a real result" in warning for warning in part.warnings):
            warnings.append(f"{part.label}: not a real result: only the first {limit} items were used")
    return warnings


def _mixed_environment(runs: pd.DataFrame) -> list[str]:
    warnings = []
    for column in _ENVIRONMENT:
        counts = runs[column].dropna().value_counts() if column in runs.columns else pd.Series(dtype=int)
        if len(counts) > 1:
            listed = ", ".join(f"{value} ({count} runs)" for value, count in counts.items())
            warnings.append(f"runs mix {column.replace('_', ' ')}: {listed}")
    return warnings


# What spreadsheets treat as the start of a formula (OWASP, "CSV Injection"); numbers keep their minus sign.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return the frame as UTF-8 CSV; text cells that would start a formula get a leading apostrophe."""
    safe = frame.apply(lambda column: column if _is_numeric(column) else column.map(_neutral))
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8", "backslashreplace")


def _is_numeric(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))


def _neutral(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
