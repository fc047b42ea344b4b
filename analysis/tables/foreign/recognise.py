"""Recognises what a table is: the export of a known program, a wide table with a column a system, or a plain one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from analysis.tables.foreign import vocabulary
from analysis.tables.foreign.numbers import could_be_numbers, is_missing
from analysis.tables.foreign.table import Columns, Table, listed, plain_name
from analysis.tables.foreign.tools import Tool, mlflow, optuna, wandb

TOOLS: tuple[Tool, ...] = (mlflow.TOOL, optuna.TOOL, wandb.TOOL)
_NUMBERED = re.compile(r"(seed|run|s|r)?[ _-]*([0-9]+)", re.IGNORECASE)
_OWN = "\0own"  # a column that no table has


def recognise(table: Table, columns: Columns) -> Table:
    """Return the table with what it was recognised as, wide ones with one row per run."""
    tool = next((tool for tool in TOOLS if tool.recognises(table.names)), None)
    if tool is not None:
        marked = replace(
            table,
            kind=tool.name,
            settings=frozenset(name for name in table.names if tool.is_setting(name)),
            outcomes=frozenset(name for name in table.names if tool.is_outcome(name)),
        )
        return marked.noted(f"{table.label}: {tool.warning}") if tool.warning else marked
    if columns.system or columns.score:
        return table
    return _of_systems(table) or _of_seeds(table) or table


def _of_systems(table: Table) -> Table | None:
    """Return a table with a column a system and a row a seed (or a data set) as one row per run."""
    taken = (*vocabulary.SEED, *vocabulary.REPETITION, *vocabulary.KEYS, *vocabulary.DATA_SET, "recipe")
    if any(plain_name(name) in ("score", "value", *vocabulary.SYSTEM) for name in table.names):
        return None
    keys = [name for name in table.names if plain_name(name) in taken]
    systems = [name for name in table.names if name not in keys]
    if table.named_by is not None and keys and len(systems) < 2:
        return None
    if len(systems) < 2 or any(_is_no_system(name) for name in systems):
        return None
    if not all(could_be_numbers(table.cells[name].tolist()) for name in systems):
        return None
    long = _melted(table, keys, systems)
    if not any(plain_name(name) in (*vocabulary.SEED, *vocabulary.REPETITION) for name in keys):
        # rows are seeds that all systems share, or, where they are data sets, one observation each
        of_rows = [str(row + 1) for row in long.index] if not keys else ["1"] * len(long)
        long = long.assign(seed=pd.Series(of_rows, index=long.index, dtype=object))
    what = f"a wide table with a column for each system ({listed(systems)})"
    what += "" if keys else ", in which a row is a seed that all of them share"
    return replace(table, cells=long, kind=None).noted(f"{table.label}: read as {what}", *_blank(table, systems))


def _is_no_system(name: str) -> bool:
    return vocabulary.is_outcome(name) or vocabulary.is_setting(name)


def _of_seeds(table: Table) -> Table | None:
    """Return a table with a row a system and a column a seed as one row per run."""
    own = [name for name in table.names if plain_name(name) in vocabulary.SYSTEM]
    seeds = [name for name in table.names if name not in own]
    if len(own) != 1 or len(seeds) < 2 or not all(_NUMBERED.fullmatch(name.strip()) for name in seeds):
        return None
    turned = replace(table, cells=table.cells.rename(columns={own[0]: _OWN}))
    long = _melted(turned, [_OWN], seeds).rename(columns={"system": "seed", _OWN: "system"})
    long["seed"] = long["seed"].map(lambda name: _NUMBERED.sub(r"\2", name.strip()))
    what = f"a wide table with a row for each system and a column for each seed ({listed(seeds)})"
    return replace(table, cells=long, kind=None).noted(f"{table.label}: read as {what}", *_blank(table, seeds))


def _melted(table: Table, keys: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    parts = []
    for name in names:
        own = table.cells[list(keys)].copy()
        own["system"], own["score"] = name, table.cells[name]
        parts.append(own[own["score"].notna()])
    return pd.concat(parts).astype(object)


def _blank(table: Table, names: Sequence[str]) -> list[str]:
    """Say that empty cells of a wide table are runs that were not made; one that failed is written as nan."""
    empty = sum(int(table.cells[name].isna().sum()) for name in names)
    failed = sum(is_missing(value) for name in names for value in table.cells[name] if value is not None)
    if not empty or failed:
        return []
    cells = "1 empty cell counts as a run that was" if empty == 1 else f"{empty} empty cells count as runs that were"
    return [f"{table.label}: {cells} not made; write nan for a run that failed"]
