"""Refuses to pool what is not one system: settings that differ between its runs, and rows that share their cell."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.tables.foreign import vocabulary
from analysis.tables.foreign.numbers import could_be_numbers
from analysis.tables.foreign.roles import Roles
from analysis.tables.foreign.table import Refused, Table, listed, plain_name

SHARE_DISTINCT = 0.7  # of the runs of a system, from which a column looks measured and not chosen
FEWEST_RUNS = 3
_KNOWN = {*vocabulary.KEYS, *vocabulary.DATA_SET, *vocabulary.KEPT}


def refuse_pooled(table: Table, roles: Roles, group: pd.Series[str]) -> list[str]:
    """Raise Refused if a setting differs between the runs of one `group` (a system on one data set).

    Returns warnings about columns that differ in every run, so that they look measured, but whose names do not say so.
    """
    warnings = []
    for name in _candidates(table, roles):
        values = _comparable(table, name)
        differing = values.groupby(group).nunique(dropna=False)
        differing = differing[differing > 1]
        if differing.empty or (name not in table.settings and _is_outcome(table, name)):
            continue
        system = str(differing.index[0])
        shown = listed(list(dict.fromkeys(_shown(value) for value in table.cells[name][group == system])))
        remedy = _remedies(roles, name)
        if name not in table.settings and not vocabulary.is_setting(name) and _looks_measured(values, group):
            warnings.append(f"{table.label}: column {name!r} is taken for a measurement; if it is a setting: {remedy}")
            continue
        raise Refused(
            f"{table.label}: system {system!r} has runs with different values of column {name!r} ({shown}); they are "
            f"not one system: {remedy}"
        )
    return warnings


def refuse_shared_cells(table: Table, roles: Roles, cells: pd.DataFrame) -> None:
    """Raise Refused if two rows have the same system, keys and data set, and name the column that distinguishes them.

    `cells` has these as columns, and one row per row of the table.
    """
    twice = cells.duplicated(keep=False)
    if not twice.any():
        return
    first = cells[twice].iloc[0]
    key = ", ".join(f"{name} {value}" for name, value in first.items() if not pd.isna(value) and value != "")
    message = f"{table.label}: {int(twice.sum())} runs share their cell with another run, the first of them {key}"
    names = [name for name in table.names if name not in roles.columns and name not in roles.ignored]
    for name in sorted(names, key=lambda name: (vocabulary.is_outcome(name), name in table.outcomes)):
        values = table.cells[name]
        if values[twice].nunique(dropna=False) > 1 and not cells.assign(_more=values).duplicated().any():
            if could_be_numbers(values.tolist()) and vocabulary.is_outcome(name):
                continue
            raise Refused(
                f"{message}; column {name!r} distinguishes them ({listed(table.values(name))}): {_choices(roles, name)}"
            )
    raise Refused(
        f"{message}; keep one row for each run, or name the column that distinguishes them with --system, "
        "--seed or --item"
    )


def _choices(roles: Roles, name: str) -> str:
    plain = plain_name(name)
    if plain == "metric":
        return "compare by one with --metric NAME"
    if any(word in plain for word in ("benchmark", "dataset", "task", "corpus", "language")):
        return f"call it 'dataset' to compare over data sets, keep the rows of one, or {_joined(roles, name)}"
    if any(word in plain for word in ("item", "id", "question", "example", "sample", "doc")):
        return f"if each row is the score of one item: --item {name!r}; else {_joined(roles, name)}"
    return f"keep the rows of one value, or {_joined(roles, name)} if each is a system of its own"


def _remedies(roles: Roles, name: str) -> str:
    return f"{_joined(roles, name)} if each is a system of its own, or --ignore {name!r} if it does not matter"


def _joined(roles: Roles, name: str) -> str:
    own = [*roles.system, *([roles.recipe] if roles.recipe else [])] or ["COLUMN"]
    return f"--system {','.join([*own, name])!r}"


def _candidates(table: Table, roles: Roles) -> Sequence[str]:
    taken = roles.columns | roles.ignored | table.outcomes
    return [name for name in table.names if name not in taken and plain_name(name) not in _KNOWN]


def _is_outcome(table: Table, name: str) -> bool:
    """Return whether a column came out of the runs; one called like a metric does so only if it holds numbers."""
    is_metric = vocabulary.is_metric(name)
    return vocabulary.is_outcome(name) and (not is_metric or could_be_numbers(table.cells[name].tolist()))


def _comparable(table: Table, name: str) -> pd.Series[str]:
    """Return a column with numbers that are equal written alike: `1e-05` is `0.00001`."""
    values = table.cells[name]
    forms = {value: _form(value) for value in values.unique().tolist()}
    return values.map(forms)


def _form(value: str | None) -> str:
    if value is None:
        return ""
    try:
        return repr(float(value))
    except ValueError:
        return value.strip()


def _shown(value: str | None) -> str:
    return "(empty)" if value is None else value


def _looks_measured(values: pd.Series[str], group: pd.Series[str]) -> bool:
    """Return whether nearly every run of a system has a value of its own, as measurements have."""
    distinct = int(values.groupby(group).nunique(dropna=False).sum())
    return len(values) > FEWEST_RUNS and distinct > SHARE_DISTINCT * len(values)
