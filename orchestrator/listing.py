"""What can be named in an experiment file: tasks, data sets, models, variants, metrics and the built-in experiments.

Names come from file names and descriptions from the first sentence of each file, so that nothing has to be imported.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.spec.experiment_file import built_in_document, built_in_names
from trainables import registry

Kind = Literal["tasks", "datasets", "models", "variants", "metrics", "experiments"]
KINDS: tuple[Kind, ...] = ("tasks", "datasets", "models", "variants", "metrics", "experiments")
_REGISTERED: dict[str, registry.Kind] = {
    "tasks": "task",
    "datasets": "dataset",
    "models": "model",
    "variants": "variant",
    "metrics": "metric",
}


@dataclass(frozen=True)
class Entry:
    """One name and what it is."""

    name: str
    description: str


def entries(kind: Kind) -> list[Entry]:
    """Every entry of a kind, sorted by name."""
    if kind == "experiments":
        return [Entry(name, _question(name)) for name in built_in_names()]
    registered = _REGISTERED[kind]
    return [Entry(name, first_sentence(registry.file_of(registered, name))) for name in registry.names(registered)]


def first_sentence(path: Path) -> str:
    """The first line of a module's docstring, read without running the module."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


def _question(name: str) -> str:
    content = built_in_document(name).content
    return str(content.get("question") or f"{content.get('task')} on {content.get('data')}")
