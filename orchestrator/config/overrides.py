"""Applies the command line's changes to an experiment file before it is checked: --set, --models, --seeds, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.config import yaml_file
from orchestrator.config.key_names import suggestion
from orchestrator.config.search import Distribution
from orchestrator.config.yaml_file import Document, KeyPath
from orchestrator.errors import InvalidExperiment, Problem

PARAMETERS = ["search", "parameters"]


@dataclass(frozen=True)
class Changes:
    """What the command line asks for; None or empty keeps the file's value.

    `models`, `recipes` and `seeds` replace the file's lists. A model that the file does not list uses the file's
    `train`; a recipe must be one of the file's. `settings` are `key.sub=value` as YAML, `values` the same as Python
    values. `apply` raises InvalidExperiment.
    """

    models: tuple[str, ...] | None = None
    recipes: tuple[str, ...] | None = None
    seeds: str | None = None
    data: str | None = None
    limit: int | None = None
    settings: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, document: Document) -> Document:
        """Return the document with all changes; `--set` comes first, so that it can add a recipe for --recipes."""
        for key, value in [*map(_parsed, self.settings), *self.values.items()]:
            document = _set(document, key, value)
        if self.models is not None:
            document = document.replaced(("models",), _models(document, self.models), "--models")
        if self.recipes is not None:
            chosen = _recipes(document, self.recipes)
            document = _without_other_controls(document, chosen).replaced(("recipes",), chosen, "--recipes")
        if self.seeds is not None:
            document = document.replaced(("seeds",), self.seeds, "--seeds")
        if self.data is not None:
            document = document.replaced(("data",), _data(document, self.data), "--data")
        if self.limit is not None:
            document = document.replaced(("data", "limit"), self.limit, "--limit")
        return document


def _parsed(setting: str) -> tuple[str, Any]:
    key, separator, text = setting.partition("=")
    if not separator or not key.strip():
        raise InvalidExperiment("--set", [Problem("", f"must be key.sub=value, got {setting!r}")])
    return key.strip(), yaml_file.scalar(text)


def _set(document: Document, key: str, value: Any) -> Document:
    if key.startswith("models.") and isinstance(document.content.get("models"), list | str):
        document = document.replaced(("models",), _by_name(document), document.source)
    return document.replaced(_split_key(key, document.content), value, f"--set {key}")


def _split_key(key: str, content: Any) -> KeyPath:
    """Cut a dotted key where the content has keys, because a model's name may hold dots itself, as a search's do."""
    path: list[str] = []
    parts = key.split(".")
    if parts[:2] == PARAMETERS:
        last = len(parts) - 1 if parts[-1] in Distribution.model_fields else len(parts)
        return (*PARAMETERS, *filter(None, [".".join(parts[2:last])]), *parts[last:])
    while parts:
        length = 1
        if isinstance(content, dict):
            length = next((size for size in range(len(parts), 0, -1) if ".".join(parts[:size]) in content), 1)
        path.append(".".join(parts[:length]))
        content = content.get(path[-1]) if isinstance(content, dict) else None
        parts = parts[length:]
    return tuple(path)


def _by_name(document: Document) -> dict[str, Any]:
    models = document.content.get("models")
    if isinstance(models, dict):
        return models
    names = [models] if isinstance(models, str) else models
    return {str(name): {} for name in names} if isinstance(names, list) else {}


def _models(document: Document, chosen: Sequence[str]) -> Any:
    if len(set(chosen)) < len(chosen):
        return list(chosen)
    known = _by_name(document)
    return {name: known.get(name, {}) for name in chosen}


def _recipes(document: Document, chosen: Sequence[str]) -> dict[str, Any]:
    written = document.content.get("recipes", {"default": {}})
    recipes = written if isinstance(written, dict) else {}
    unknown = [name for name in chosen if name not in recipes]
    if unknown:
        problems = [Problem("recipes", f"unknown recipe {name!r}{suggestion(name, recipes)}") for name in unknown]
        raise InvalidExperiment("--recipes", problems)
    return {name: recipes[name] for name in chosen}


def _without_other_controls(document: Document, chosen: Mapping[str, Any]) -> Document:
    """Drop the controls of the file's recipes that were not chosen."""
    compare, recipes = document.content.get("compare"), document.content.get("recipes")
    written = compare.get("controls") if isinstance(compare, dict) else None
    if not isinstance(written, dict) or not isinstance(recipes, dict):
        return document
    left_out = set(recipes) - set(chosen)
    kept = {name: kind for name, kind in written.items() if str(name).rpartition("/")[2] not in left_out}
    return document if kept == written else document.replaced(("compare", "controls"), kept, "--recipes")


_REPLACED = ("hub", "revision", "train", "validation")  # by --data


def _data(document: Document, path: str) -> dict[str, Any]:
    written = document.content.get("data")
    kept = {}
    if isinstance(written, dict):
        kept = {key: value for key, value in written.items() if key not in _REPLACED}
    if not isinstance(kept.get("test"), bool):
        kept.pop("test", None)
    return {**kept, "path": path if "://" in path else str(Path(path).expanduser().absolute())}
