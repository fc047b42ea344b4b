"""Decides which column is the system, the seed, the item, the state and the score, by name or by an option."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analysis.tables.foreign import vocabulary
from analysis.tables.foreign.numbers import could_be_numbers, read_keys
from analysis.tables.foreign.table import Columns, Refused, Table, listed, plain_name


@dataclass(frozen=True)
class Roles:
    """The columns by what they mean; `system` is empty if the file's own name is the system, `seed` None without one.

    `recipe` is joined to a model as `model/recipe`. `metric` is the name of the score, `ignored` what may differ.
    """

    system: tuple[str, ...]
    score: str
    seed: str | None
    recipe: str | None
    state: str | None
    item: str | None
    metric: str | None
    ignored: frozenset[str]

    @property
    def columns(self) -> frozenset[str]:
        """All columns that have a role."""
        single = {self.score, self.seed, self.recipe, self.state, self.item} - {None}
        return frozenset((*self.system, *(name for name in single if name is not None)))


def assign(table: Table, columns: Columns) -> tuple[Roles, list[str]]:
    """Return the roles, and notes on those that were not called by their plain name. Raises Refused with the remedy."""
    ignored = frozenset(_named(table, name, "--ignore") for name in columns.ignore)
    system = _systems(table, columns)
    state = _by_name(table, vocabulary.STATE, "the state")
    seed = _seed(table, columns, system)
    score = _score(table, columns, {*system, *filter(None, (seed, state))})
    recipe = _by_name(table, ("recipe",), "the recipe") if system and plain_name(system[0]) == "model" else None
    recipe = None if columns.system else recipe
    item = _named(table, columns.item, "--item") if columns.item else _by_name(table, vocabulary.ITEM, "the item")
    metric = None if plain_name(score) in ("score", "value") else score.strip().removeprefix("metrics.")
    _refuse_double(table, {"the score": score, "the seed": seed, "the item": item, "the system": [*system, recipe]})
    roles = Roles(system, score, seed, recipe, state, item, metric, ignored)
    return roles, _notes(table, roles, columns)


def _refuse_double(table: Table, columns: Mapping[str, str | Sequence[str | None] | None]) -> None:
    """Raise Refused if one column has two roles, or if the score is in a column that means something else."""
    role_of: dict[str, str] = {}
    for what, names in columns.items():
        for name in [names] if isinstance(names, str) else names or ():
            if name is not None and role_of.setdefault(name, what) != what:
                raise Refused(f"{table.label}: column {name!r} cannot be both {role_of[name]} and {what}; name another")
    others = (*vocabulary.KEYS, *vocabulary.DATA_SET, *vocabulary.KEPT)
    wrong = [name for name, what in role_of.items() if what == "the score" and plain_name(name) in others]
    if wrong:
        raise Refused(f"{table.label}: column {wrong[0]!r} cannot be the score, as it says what a run is; name another")


def _notes(table: Table, roles: Roles, columns: Columns) -> list[str]:
    """Say what was recognised, unless the columns have their plain names or were all named by a person."""
    plain = set(roles.system) <= {"system", "model"} and roles.score == "score" and roles.seed in ("seed", None)
    if plain:
        return [] if table.kind is None else [f"{table.label}: read as {table.kind}"]
    parts = {"system": " + ".join(roles.system), "seed": roles.seed, "score": roles.score}
    named = ", ".join(f"{what} = {name}" for what, name in parts.items() if name)
    return [f"{table.label}: read as {table.kind or 'a table'}: {named}"]


def _systems(table: Table, columns: Columns) -> tuple[str, ...]:
    if columns.system:
        return tuple(_named(table, name, "--system") for name in columns.system)
    known = _by_name(table, vocabulary.SYSTEM, "the system")
    if known is not None:
        return (known,)
    if table.named_by is not None:
        return ()
    raise Refused(
        f"{table.label}: needs a column 'system' or 'model'; it has: {listed(table.names, 30) or 'none'}; name the "
        "column of the systems with --system COLUMN"
    )


def _seed(table: Table, columns: Columns, taken: Sequence[str]) -> str | None:
    if columns.seed:
        return _named(table, columns.seed, "--seed")
    known = _by_name(table, vocabulary.SEED, "the seed")
    if known is not None and any(value is not None for value in table.cells[known]):
        return known
    repeated = _by_name(table, vocabulary.REPETITION, "the seed")
    if repeated is None or repeated in taken:
        return None
    keys = read_keys(table.cells[repeated].tolist())
    return repeated if all(isinstance(key, int) for key in keys) else None


def _score(table: Table, columns: Columns, taken: set[str]) -> str:
    if columns.score:
        return _named(table, columns.score, "--score")
    known = _by_name(table, ("score",), "the score")
    if known is not None:
        return known
    if columns.metric and (named := _called(table, columns.metric)):
        return named
    free = [name for name in table.names if name not in taken and name not in columns.ignore]
    scores = [name for name in free if _is_score(table, name)]
    if len(scores) == 1:
        return scores[0]
    value = _by_name(table, ("value",), "the score")
    if value is not None and not scores:
        return value
    lacking = f"{table.label}: needs a column 'score'; it has: {listed(table.names, 30)}; "
    if scores:
        options = " or ".join(f"--score {name!r}" for name in scores[:4])
        raise Refused(f"{lacking}say which one is compared: {options}")
    raise Refused(f"{lacking}name the column of the scores with --score COLUMN")


def _is_score(table: Table, name: str) -> bool:
    known = name in table.outcomes or not table.outcomes
    return known and vocabulary.is_metric(name) and could_be_numbers(table.cells[name].tolist())


def _called(table: Table, metric: str) -> str | None:
    """Return the column that holds a metric, called by its name or as `metric_<name>`."""
    wanted = {plain_name(metric), f"metric_{plain_name(metric)}"}
    matches = [name for name in table.names if name == metric] or [n for n in table.names if plain_name(n) in wanted]
    return matches[0] if len(matches) == 1 else None


def _by_name(table: Table, names: Sequence[str], what: str) -> str | None:
    """Return the column with the first of these names, whatever its case; None if there is none.

    Raises Refused if several columns have it.
    """
    for name in names:
        if name in table.names:
            return name
    for name in names:
        matches = [column for column in table.names if plain_name(column) == name]
        if len(matches) > 1:
            options = " or ".join(f"--{what.split()[-1]} {column!r}" for column in matches)
            raise Refused(f"{table.label}: {listed(matches)} could all be {what}; say which one: {options}")
        if matches:
            return matches[0]
    return None


def _named(table: Table, name: str, option: str) -> str:
    """Return the column that a person named, exactly or in another case. Raises Refused if there is none."""
    same: list[Callable[[str], str]] = [lambda text: text, lambda text: text.strip().lower(), plain_name]
    for form in same:
        matches = [column for column in table.names if form(column) == form(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise Refused(f"{table.label}: {option} {name!r} could be {listed(matches)}; write the whole name")
    raise Refused(f"{table.label}: {option}: there is no column {name!r}; it has: {listed(table.names, 30)}")
