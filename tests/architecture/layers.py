"""The layers of the three packages, and how far the imports keep to them.

    python -m tests.architecture.layers [CHECKOUT ...]     figures of this checkout, or of others beside each other

A room is a folder or a file directly below a package. An arrow leads from one room to another from which it imports
something: at the top of a file, within a function, or for types only. Rooms that import each other, directly or through
others, form a circle. The layers are the rooms on the longest way down, each circle counted once.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.architecture.imports import PACKAGES, Import, arrows, imports, modules, room

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = ("tasks", "datasets", "models", "variants", "metrics", "statistics", "figures", "searchers", "schedulers")
CROWDED = 12

LAYERS: dict[str, tuple[str, ...]] = {
    "orchestrator": (
        *("__main__", "cli", "api", "console", "commands", "hyperparameter_search", "executors", "worker", "cluster"),
        *("storage", "config", "ray_private", "html_tables", "errors", "units"),
    ),
    "analysis": (
        *("analyze", "report", "figures", "plotting", "text", "search_only", "design_power", "result", "search"),
        *(
            "comparison",
            "statistics",
            "inference",
            "metrics",
            "tables",
            "formatting",
            "config",
            "registry",
            "yaml_text",
        ),
    ),
    "trainables": (
        *("tools", "training", "tasks", "variants", "models", "datasets", "protocols", "modeling", "architectures"),
        *("data", "system", "config", "registry", "old_names"),
    ),
}
"""The rooms of each package from top to bottom: a room imports from rooms that stand after it only."""

Arrows = Mapping[tuple[str, str], Import]


@dataclass(frozen=True)
class Figures:
    """What the imports in one folder come to. `arrows_in_circles`: those that help to close a circle of rooms."""

    rooms: int
    layers: int
    arrows: int
    arrows_in_circles: int
    circles: int


def upward(root: Path) -> list[str]:
    """Every import that leads up or sideways: `file:line: importer imports imported`."""
    return [
        f"{one.path.relative_to(root).as_posix()}:{one.line}: {one.importer} imports {one.imported}"
        for one in imports(modules(root))
        if any(_leads_up(one, package) for package in PACKAGES)
    ]


def _leads_up(one: Import, package: str) -> bool:
    importer, imported = room(one.importer, package), room(one.imported, package)
    if importer is None or imported is None or importer == imported:
        return False
    return _height(package, importer) <= _height(package, imported)


def _height(package: str, name: str) -> int:
    """How many rooms stand below; one that LAYERS does not know is a mistake, and never passes."""
    order = LAYERS[package]
    assert name in order, f"{package}.{name} has no place in LAYERS (tests/architecture/layers.py)"
    return len(order) - order.index(name)


def circles(root: Path) -> list[str]:
    """Every group of files and folders that import each other in a circle, in each folder by itself."""
    known = modules(root)
    found = list(imports(known))
    return [
        f"{folder}: {' <-> '.join(sorted(group))}"
        for folder in _folders(known)
        for group in groups(arrows(found, folder))
        if len(group) > 1
    ]


def figures(root: Path) -> dict[str, Figures]:
    """The figures of each package of a checkout, and of each folder within it that many files lie in."""
    known = modules(root)
    found = list(imports(known))
    children = {folder: _children(known, folder) for folder in _folders(known)}
    crowded = [folder for folder, names in children.items() if len(names) >= CROWDED and not _has_entries(folder)]
    shown = dict.fromkeys([*(package for package in PACKAGES if package in children), *crowded])
    return {folder: _figures(children[folder], arrows(found, folder)) for folder in shown}


def _folders(known: Mapping[str, Path]) -> list[str]:
    return sorted(module for module, path in known.items() if path.name == "__init__.py")


def _children(known: Collection[str], folder: str) -> set[str]:
    return {found for module in known if (found := room(module, folder)) is not None}


def _has_entries(folder: str) -> bool:
    """Whether its files are entries that are found by their names: they are many, and none needs another."""
    return folder.rpartition(".")[2] in ENTRIES


def _figures(rooms: Collection[str], between: Arrows) -> Figures:
    parts = groups(between)
    of = {name: group for group in parts for name in group}
    in_circles = sum(of[importer] is of[imported] for importer, imported in between)
    return Figures(len(rooms), _layers(between, of), len(between), in_circles, sum(len(group) > 1 for group in parts))


def _layers(between: Arrows, of: Mapping[str, frozenset[str]]) -> int:
    """Rooms on the longest way down, each circle counted once."""
    below: dict[frozenset[str], set[frozenset[str]]] = {group: set() for group in of.values()}
    for importer, imported in between:
        below[of[importer]] |= {of[imported]} - {of[importer]}

    @cache
    def height(group: frozenset[str]) -> int:
        return 1 + max((height(other) for other in below[group]), default=0)

    return max((height(group) for group in below), default=1)


def groups(between: Arrows) -> list[frozenset[str]]:
    """Rooms by circle: those that reach each other along arrows; a room in no circle is a group of its own."""
    names = sorted({name for pair in between for name in pair})
    reached = {name: _reached(name, between) for name in names}
    return list(
        dict.fromkeys(
            frozenset({name} | {other for other in reached[name] if name in reached[other]}) for name in names
        )
    )


def _reached(start: str, between: Arrows) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        fresh = {imported for importer, imported in between if importer == name} - found
        found |= fresh
        waiting += fresh
    return found


def table(roots: Sequence[Path]) -> Iterator[str]:
    """A Markdown table of the figures of some checkouts."""
    yield "| checkout | folder | rooms | layers | arrows | of them in circles | circles |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for root in roots:
        for folder, found in figures(root).items():
            numbers = (found.rooms, found.layers, found.arrows, found.arrows_in_circles, found.circles)
            yield f"| {root.name} | `{folder}` | {' | '.join(map(str, numbers))} |"


if __name__ == "__main__":
    print(*table([Path(given).resolve() for given in sys.argv[1:]] or [ROOT]), sep="\n")  # noqa: T201
