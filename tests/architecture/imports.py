"""Which module imports which: read from the source of every file, lazy and type-only imports included."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("orchestrator", "trainables", "analysis")


@dataclass(frozen=True)
class Import:
    """One import of a module of ours: who imports what, and on which line of which file."""

    importer: str
    imported: str
    path: Path
    line: int


def modules(root: Path) -> dict[str, Path]:
    """Every module of the three packages below `root`, by its dotted name; packages stand for their `__init__.py`."""
    return {_name(path, root): path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))}


def imports(known: Mapping[str, Path]) -> Iterator[Import]:
    """Every import between these modules: at the top of a file, within a function, and for types only."""
    for module, path in known.items():
        for node in ast.walk(parsed(path)):
            for imported in named(node):
                target = _resolved(imported, known)
                if target is not None and target != module:
                    yield Import(module, target, path, node.lineno)  # type: ignore[attr-defined]


def named(node: ast.AST) -> list[str]:
    """The dotted names that an import statement names; of any other node none."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module is not None:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The tree of a file, read once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def room(module: str, folder: str) -> str | None:
    """The child of `folder` that a module lives in: a file or a sub-folder; None for one that lives elsewhere."""
    if not module.startswith(f"{folder}."):
        return None
    return module.removeprefix(f"{folder}.").partition(".")[0]


def arrows(found: Iterable[Import], folder: str) -> dict[tuple[str, str], Import]:
    """One import for each pair of rooms of a folder of which the first imports from the second."""
    between: dict[tuple[str, str], Import] = {}
    for one in found:
        pair = (room(one.importer, folder), room(one.imported, folder))
        if pair[0] is not None and pair[1] is not None and pair[0] != pair[1]:
            between.setdefault((pair[0], pair[1]), one)
    return between


def _resolved(imported: str, known: Mapping[str, Path]) -> str | None:
    """The module that holds an imported name: the name itself, or what it is a member of."""
    if imported in known:
        return imported
    parent = imported.rpartition(".")[0]
    return parent if parent in known else None


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix().removesuffix("/__init__").replace("/", ".")
