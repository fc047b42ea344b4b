"""Which searchers and schedulers there are: a module on disk is an entry, and its name is what a file writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from analysis.registry import Entries

Kind = Literal["searcher", "scheduler"]
_ENTRIES: dict[Kind, Entries] = {
    "searcher": Entries("searcher", "orchestrator.hyperparameter_search.searchers"),
    "scheduler": Entries("scheduler", "orchestrator.hyperparameter_search.schedulers"),
}


def names(kind: Kind) -> list[str]:
    """Every entry of a kind, sorted; nothing is imported."""
    return _ENTRIES[kind].names()


def file_of(kind: Kind, name: str) -> Path:
    """The module of an entry, which is not imported. Raises UnknownName."""
    return _ENTRIES[kind].file_of(name)


def load(kind: Kind, name: str) -> Any:
    """The module of an entry. Raises UnknownName."""
    return _ENTRIES[kind].module(name)
