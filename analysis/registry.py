"""Finds entries by name (a module is an entry, its one constant the value) and imports files of users.

Every registry is built on `Entries`; this file lists the kinds of `analysis`, `trainables/registry.py` and
`orchestrator/config/search.py` list theirs. Listing imports no entry.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Literal

Kind = Literal["test", "figure", "metric"]


class UnknownName(ValueError):
    """No entry of that kind has this name; the message suggests the nearest one."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        super().__init__(f"unknown {kind} {name!r}{hint} known: {', '.join(known) or 'none'}")


@dataclass(frozen=True)
class Entries:
    """The entries of one kind: the modules of a package. `hyphenated`: users write their names with hyphens."""

    kind: str
    package: str
    hyphenated: bool = False

    def names(self) -> list[str]:
        """Return the names of all entries, sorted, read from file names alone: none is imported."""
        stems = (path.stem for path in self._folder().glob("*.py") if not path.stem.startswith("_"))
        return sorted(stem.replace("_", "-") if self.hyphenated else stem for stem in stems)

    def file_of(self, name: str) -> Path:
        """Return the path of an entry's module without importing it. Raises UnknownName."""
        stem, known = name.replace("-", "_"), self.names()
        if stem not in (entry.replace("-", "_") for entry in known):
            raise UnknownName(self.kind, name, known)
        return self._folder() / f"{stem}.py"

    def module(self, name: str) -> ModuleType:
        """Import the module of an entry. Raises UnknownName, and whatever a broken module raises."""
        return importlib.import_module(f"{self.package}.{self.file_of(name).stem}")

    def load(self, name: str) -> Any:
        """Return the constant of an entry, such as METRIC. Raises UnknownName; see `module`."""
        return self.constant(self.module(name), name)

    def constant(self, module: ModuleType, name: str) -> Any:
        """Return the constant of a module that `name` stands for. Raises ValueError for a module without one."""
        constant = self.kind.upper()
        if not hasattr(module, constant):
            raise ValueError(f"{self.kind} {name!r}: {module.__file__} does not define {constant}")
        return getattr(module, constant)

    def _folder(self) -> Path:
        """Find the folder without importing the package of the entries, which may be slow."""
        top, *inner = self.package.split(".")
        return Path(next(iter(importlib.import_module(top).__path__))).joinpath(*inner)


METRICS = Entries("metric", "analysis.metrics")
_ENTRIES: dict[Kind, Entries] = {
    "test": Entries("test", "analysis.statistics"),
    "figure": Entries("figure", "analysis.figures"),
    "metric": METRICS,
}


def names(kind: Kind) -> list[str]:
    """Return the names of all entries of a kind, sorted, read from file names alone: nothing is imported."""
    return _ENTRIES[kind].names()


def load(kind: Kind, name: str) -> Any:
    """Return the constant TEST, FIGURE or METRIC of the entry `name`. Raises UnknownName."""
    return _ENTRIES[kind].load(name)


def file_of(kind: Kind, name: str) -> Path:
    """Return the path of an entry's module without importing it. Raises UnknownName."""
    return _ENTRIES[kind].file_of(name)


def import_file(path: Path, label: str, before: Callable[[str], None] = lambda source: None) -> ModuleType:
    """Import a user's file: once for its path and content, and again after an edit.

    The module of an edited file replaces the previous one, which leaves `sys.modules`. `path` is resolved; the module's
    name starts with `label`; `before` receives the source before it is executed. Raises OSError, and whatever the file
    raises.
    """
    data = path.read_bytes()
    of_path = f"{label}_{_digest(str(path).encode())}"
    name = f"{of_path}_{_digest(data)}"
    if name in sys.modules:
        return sys.modules[name]
    loader = _Loader(name, str(path), data)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before(data.decode("utf-8", "replace"))
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    for other in [other for other in list(sys.modules) if other.startswith(f"{of_path}_") and other != name]:
        del sys.modules[other]
    return module


class _Loader(SourceFileLoader):
    """Compiles exactly the bytes that were hashed: bytecode is cached by size and time, which edits may keep."""

    def __init__(self, name: str, path: str, data: bytes) -> None:
        super().__init__(name, path)
        self._data = data

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self._data, self.path)
        return code


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
