"""Find tasks, data sets, models, variants and metrics: a module on disk is an entry, its one constant is the value."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from trainables import old_names

Kind = Literal["task", "dataset", "model", "variant", "metric"]

_PACKAGES: dict[str, str] = {
    "task": "trainables.tasks",
    "dataset": "trainables.datasets",
    "model": "trainables.models",
    "variant": "trainables.variants",
    "metric": "analysis.metrics",
}
_HYPHENATED = ("dataset", "model")


class UnknownName(ValueError):
    """No entry of that kind has this name; the message proposes the nearest one."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        super().__init__(f"unknown {kind} {name!r}{hint} known: {', '.join(known) or 'none'}")


def names(kind: Kind) -> list[str]:
    """Every entry of a kind, sorted, read from the file names alone: nothing is imported."""
    stems = (path.stem for path in _folder(kind).glob("*.py") if not path.stem.startswith("_"))
    return sorted(stem.replace("_", "-") if kind in _HYPHENATED else stem for stem in stems)


def load(kind: Kind, name: str) -> Any:
    """The constant TASK, DATASET, MODEL, VARIANT or METRIC of the entry `name`, or of the Python file at that path.

    Raises UnknownName where there is no such entry or file. Whatever a broken file raises is not hidden.
    """
    if is_path(name):
        return _constant(kind, _import_file(kind, Path(name)), name)
    return _constant(kind, importlib.import_module(f"{_PACKAGES[kind]}.{file_of(kind, name).stem}"), name)


def file_of(kind: Kind, name: str) -> Path:
    """The module of a registered entry, which is not imported. Raises UnknownName."""
    stem, known = name.replace("-", "_"), names(kind)
    if stem not in (entry.replace("-", "_") for entry in known):
        raise UnknownName(kind, name, known)
    return _folder(kind) / f"{stem}.py"


def is_path(name: str) -> bool:
    """Whether a name means a Python file of the user instead of an entry of ours."""
    return name.endswith(".py") or "/" in name or "\\" in name


def _folder(kind: str) -> Path:
    package, folder = _PACKAGES[kind].split(".")
    spec = PathFinder.find_spec(package, None) or importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / folder


def _import_file(kind: str, path: Path) -> Any:
    path = path.expanduser().resolve()
    if path.suffix != ".py" or not path.is_file():
        raise UnknownName(kind, str(path), names(kind))  # type: ignore[arg-type]
    name = f"trainables_{kind}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    old_names.provide(path.read_text(encoding="utf-8", errors="replace"))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _constant(kind: str, module: Any, name: str) -> Any:
    constant = kind.upper()
    if not hasattr(module, constant):
        raise ValueError(f"{kind} {name!r}: {module.__file__} does not define {constant}")
    return getattr(module, constant)
