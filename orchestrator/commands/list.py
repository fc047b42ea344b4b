"""`orchestrate list`: lists tasks, data sets, models, variants, metrics, statistical tests, figures and experiments.

Names come from file names, and descriptions from the first line of each file, so that nothing has to be imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from analysis import registry as of_analysis
from orchestrator.config import search as of_search
from orchestrator.config.load import built_in_document, built_in_names
from trainables import registry

Kind = Literal[
    "tasks", "datasets", "models", "variants", "metrics", "searchers", "schedulers", "tests", "figures", "experiments"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_TRAINED: dict[str, registry.Kind] = {
    "tasks": "task",
    "datasets": "dataset",
    "models": "model",
    "variants": "variant",
    "metrics": "metric",
}
_SEARCHED: dict[str, of_search.Kind] = {"searchers": "searcher", "schedulers": "scheduler"}
_ANALYSED: dict[str, of_analysis.Kind] = {"tests": "test", "figures": "figure"}


@dataclass(frozen=True)
class Entry:
    """A name and what it stands for."""

    name: str
    description: str


def entries(kind: Kind) -> list[Entry]:
    """Return every entry of a kind, sorted by name."""
    if kind == "experiments":
        return [Entry(name, _question(name)) for name in built_in_names()]
    return [Entry(name, first_sentence(path)) for name, path in _modules(kind)]


def first_sentence(path: Path) -> str:
    """Return the first line of a module's docstring, without running the module."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


def _modules(kind: Kind) -> Iterable[tuple[str, Path]]:
    """Return every registered name of a kind, and its file."""
    if kind in _SEARCHED:
        searched = _SEARCHED[kind]
        return [(name, of_search.file_of(searched, name)) for name in of_search.names(searched)]
    if kind in _ANALYSED:
        analysed = _ANALYSED[kind]
        return [(name, of_analysis.file_of(analysed, name)) for name in of_analysis.names(analysed)]
    trained = _TRAINED[kind]
    return [(name, registry.file_of(trained, name)) for name in registry.names(trained)]


def _question(name: str) -> str:
    content = built_in_document(name).content
    return str(content.get("question") or f"{content.get('task')} on {content.get('data')}")
