"""Turns a table of another tool into runs: one row each, with system, seed, status and score, and its items if any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis.tables.foreign import items, pooling, vocabulary
from analysis.tables.foreign.numbers import has_spread, is_missing, quick_numbers, read_keys, read_scores
from analysis.tables.foreign.recognise import recognise
from analysis.tables.foreign.roles import Roles, assign
from analysis.tables.foreign.states import read_states
from analysis.tables.foreign.table import Columns, Refused, Table, listed, plain_name, rows_named
from analysis.tables.normalize import WITHOUT_SEED, data_set_labels
from analysis.tables.schema import PREDICTIONS, RUNS

_TEXT = frozenset(field.name for field in RUNS if str(field.type) == "string")
_PLAIN = frozenset((*vocabulary.KEYS, *vocabulary.DATA_SET, *vocabulary.KEPT, "model"))


@dataclass(frozen=True, eq=False)
class ForeignRuns:
    """Runs in the columns of our own table, the predictions of their items (empty without items), and notes."""

    runs: pd.DataFrame
    predictions: pd.DataFrame
    warnings: tuple[str, ...]


def runs_of(table: Table, columns: Columns) -> ForeignRuns:
    """Read the runs of one table. Raises Refused for one that cannot be read without guessing."""
    table = _of_one_metric(recognise(_plain(table), columns), columns)
    roles, notes = assign(table, columns)
    table, statuses = _ended(table.noted(*notes), roles)
    if statuses is None:
        roles = replace(roles, state=None)
    table, frame = _keyed(table, roles)
    numbers, notes = read_scores(
        table.cells[roles.score].tolist(), table.cells.index.tolist(), table.label, roles.score
    )
    _refuse_summaries(table, roles, frame)
    frame["score"] = pd.array(numbers, dtype="float64")
    frame["status"] = _statuses(frame, statuses)
    frame["has_failed"] = False if statuses is None else statuses.isin(["failed", "pruned", "diverged"])
    return _as_runs(table.noted(*notes), roles, columns, frame)


def _plain(table: Table) -> Table:
    """Call columns that every table may have by their plain names, whatever their case."""
    names: dict[str, str] = {}
    for name in table.names:
        plain = plain_name(name)
        if plain in _PLAIN and plain not in table.names and plain not in names.values():
            names[name] = plain if plain != "model" or name.lower().strip() == "model" else name
    return replace(table, cells=table.cells.rename(columns=names))


def _of_one_metric(table: Table, columns: Columns) -> Table:
    """Keep the rows of the compared metric in a table with a row for each metric."""
    if "metric" not in table.names:
        return table
    values = sorted(table.values("metric"))
    if not (table.cells["metric"].groupby(data_set_labels(table.cells)).nunique() > 1).any():
        return table
    if columns.metric not in values:
        raise Refused(f"{table.label}: has scores of several metrics ({listed(values)}); name one with --metric")
    kept = replace(table, cells=table.cells[table.cells["metric"] == columns.metric])
    return kept.noted(f"{table.label}: only the rows of metric {columns.metric} are read")


def _ended(table: Table, roles: Roles) -> tuple[Table, pd.Series[str] | None]:
    states = None if roles.state is None else read_states(table, roles.state)
    return (table, None) if states is None else (states[1], states[0])


def _keyed(table: Table, roles: Roles) -> tuple[Table, pd.DataFrame]:
    """Return one row per row with system, keys and data set: the cell of a run."""
    frame = pd.DataFrame(index=table.cells.index)
    frame["system"] = _systems(table, roles)
    keys = {name: name for name in vocabulary.KEYS if name in table.names}
    for key, column in keys.items():
        frame[key] = pd.Series(read_keys(table.cells[column].tolist()), index=frame.index, dtype=object)
    if roles.seed is not None:
        seeds = read_keys(table.cells[roles.seed].tolist())
        empty = [row for row, seed in zip(frame.index, seeds, strict=True) if seed is None]
        if empty:
            raise Refused(f"{table.label}: {rows_named(empty)}: seed is empty; give every run its seed, or no run one")
        frame["seed"] = pd.Series(seeds, index=frame.index, dtype=object)
        return _same_seeds(table, roles.seed, seeds), frame
    if keys or roles.item or _has_data_sets(table):
        frame["seed"] = 1
        return table, frame
    frame["seed"] = [f"{WITHOUT_SEED}{row + 1} of {table.label}" for row in frame.index]
    note = "has no seed: every row counts as a run of its own, and no two systems share one; name it with --seed COLUMN"
    return table.noted(f"{table.label}: {note}"), frame


def _has_data_sets(table: Table) -> bool:
    return any(name in table.names and len(table.values(name)) > 1 for name in vocabulary.DATA_SET)


def _same_seeds(table: Table, column: str, seeds: Sequence[int | str | None]) -> Table:
    """Note seeds that are written in two ways, such as 01 and 1, which count as one."""
    written: dict[int | str | None, set[str]] = {}
    for text, seed in zip(table.cells[column].tolist(), seeds, strict=True):
        written.setdefault(seed, set()).add(str(text).strip())
    twice = [sorted(texts) for texts in written.values() if len(texts) > 1]
    if not twice:
        return table
    return table.noted(f"{table.label}: seeds {' and '.join(twice[0])} are one seed, as they are the same number")


def _systems(table: Table, roles: Roles) -> pd.Series[str]:
    if not roles.system:
        return pd.Series(table.named_by, index=table.cells.index, dtype=object)
    parts = [table.cells[name] for name in roles.system]
    empty = parts[0].isna() | (parts[0] == "")
    if empty.any():
        rows = rows_named(empty[empty].index.tolist())
        raise Refused(f"{table.label}: {rows}: system is empty; name the system of every run in {roles.system[0]!r}")
    systems = parts[0]
    for part in parts[1:]:
        systems = systems + "/" + part.map(lambda value: "(empty)" if value is None else value)
    if roles.recipe is not None:
        systems = systems + table.cells[roles.recipe].map(_suffix)
    return systems


def _suffix(recipe: str | None) -> str:
    return "" if recipe is None or recipe.strip() in ("", "default") else f"/{recipe}"


def _refuse_summaries(table: Table, roles: Roles, frame: pd.DataFrame) -> None:
    """Raise Refused for means over runs: a row a system, each with its spread."""
    spread = table.cells[roles.score].map(has_spread)
    alone = ~frame["system"].duplicated(keep=False)
    if (spread & alone).any():
        rows = rows_named((spread & alone)[spread & alone].index.tolist())
        raise Refused(
            f"{table.label}: {rows}: {roles.score} is a mean and its spread, not the score of one run; give one row "
            "for each run: a comparison needs the scores of the runs"
        )


def _statuses(frame: pd.DataFrame, given: pd.Series[str] | None) -> pd.Series[str]:
    implied = frame["score"].isna().map({True: "failed", False: "completed"})
    if given is None:
        return implied
    known = given.where(given.notna(), implied)
    return known.where(~(frame["score"].isna() & known.isin(["completed", "collapsed"])), implied)


def _as_runs(table: Table, roles: Roles, columns: Columns, frame: pd.DataFrame) -> ForeignRuns:
    labels = data_set_labels(table.cells)
    cells = frame.drop(columns=["score", "status", "has_failed"]).assign(data_set=labels)
    if roles.item is not None and (columns.item or cells.duplicated().any()):
        return _of_items(table, roles, frame, cells)
    pooling.refuse_shared_cells(table, roles, cells)
    return _finished(table, roles, frame, labels)


def _of_items(table: Table, roles: Roles, frame: pd.DataFrame, cells: pd.DataFrame) -> ForeignRuns:
    assert roles.item is not None
    names = table.cells[roles.item]
    items.refuse_repeated(table, cells, names)
    items.refuse_missing(table, frame)
    numbers = items.run_numbers(cells)
    first = ~numbers.duplicated()
    grouped = frame.groupby(numbers, sort=False)
    means = grouped["score"].mean()
    merged = frame[first].assign(score=means.to_numpy())
    failed = grouped["status"].agg(lambda own: next((status for status in own if status != "completed"), "completed"))
    merged["status"] = failed.to_numpy()
    ids = [f"{table.label}:{number}" for number in range(len(merged))]
    collapsed = replace(table, cells=items.run_level(table, numbers)).noted(items.said(table, names, numbers))
    kept = replace(roles, item=None)
    result = _finished(collapsed, kept, merged, data_set_labels(collapsed.cells))
    runs = result.runs.assign(run_id=ids)
    return replace(result, runs=runs, predictions=items.predictions(ids, numbers, names, frame["score"]))


def _finished(table: Table, roles: Roles, frame: pd.DataFrame, labels: pd.Series[str]) -> ForeignRuns:
    group = frame["system"] + labels.map(lambda label: f" on {label}" if label else "")
    warnings = [] if "settings_id" in table.names else pooling.refuse_pooled(table, roles, group)
    if roles.metric is not None and "metric" not in table.names:
        frame["metric"] = roles.metric
    frame = frame.drop(columns="has_failed")
    taken = {*frame.columns, roles.score, roles.state, roles.seed, "status"}
    if "run_id" in table.names and table.cells["run_id"].duplicated().any():
        taken.add("run_id")
    others = {name: _typed(table.cells[name], name) for name in table.names if name not in taken}
    if roles.score not in frame.columns:
        others[roles.score] = frame["score"]
    runs = pd.DataFrame({**{str(name): column for name, column in frame.items()}, **others})
    return ForeignRuns(runs, PREDICTIONS.empty_table().to_pandas(), (*table.notes, *warnings))


def _typed(values: pd.Series[str], name: str) -> pd.Series:
    """Return a column as numbers if all its cells are; text columns of our own tables stay text."""
    if name in _TEXT:
        return values
    numbers = quick_numbers([None if is_missing(value) else value for value in values.tolist()])
    return values if numbers is None else pd.Series(numbers, index=values.index, dtype="float64")
