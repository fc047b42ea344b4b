"""Which searchers and schedulers there are: a module on disk is an entry, and its name is what a file writes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Literal

Kind = Literal["searcher", "scheduler"]
_SEARCH = Path(__file__).parents[1] / "search"


def names(kind: Kind) -> list[str]:
    """Every entry of a kind, sorted; nothing is imported."""
    folder = _SEARCH / f"{kind}s"
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def file_of(kind: Kind, name: str) -> Path:
    """The module of an entry, which is not imported."""
    return _SEARCH / f"{kind}s" / f"{name}.py"


def load(kind: Kind, name: str) -> Any:
    """The module of an entry."""
    return importlib.import_module(f"orchestrator.search.{kind}s.{name}")
