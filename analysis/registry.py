"""Find statistical tests, figures and metrics: a module on disk is an entry, its one constant is the value."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Any, Literal

Kind = Literal["test", "figure", "metric"]
_FOLDERS: dict[Kind, str] = {"test": "statistics", "figure": "figures", "metric": "metrics"}


class UnknownName(ValueError):
    """No entry of that kind has this name; the message proposes the nearest one."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        super().__init__(f"unknown {kind} {name!r}{hint} known: {', '.join(known) or 'none'}")


def names(kind: Kind) -> list[str]:
    """Every entry of a kind, sorted, read from the file names alone: nothing is imported."""
    folder = Path(__file__).parent / _FOLDERS[kind]
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def load(kind: Kind, name: str) -> Any:
    """The constant TEST, FIGURE or METRIC of the entry `name`; raises UnknownName where there is none."""
    module = f"analysis.{_FOLDERS[kind]}.{file_of(kind, name).stem}"
    return getattr(importlib.import_module(module), kind.upper())


def file_of(kind: Kind, name: str) -> Path:
    """The module of an entry, which is not imported. Raises UnknownName."""
    stem = name.replace("-", "_")
    if stem not in names(kind):
        raise UnknownName(kind, name, names(kind))
    return Path(__file__).parent / _FOLDERS[kind] / f"{stem}.py"
