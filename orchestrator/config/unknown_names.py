"""Finds names that nobody registered in a document that is not a valid experiment, so that all is reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from orchestrator.config.yaml_file import Document, KeyPath
from orchestrator.errors import Problem
from trainables import registry
from trainables.registry import Kind, UnknownName

_ELSEWHERE = ("path", "hub")


def unknown_names(document: Document) -> list[Problem]:
    """One problem for each task, data set, model and variant that is written as a plain name and is not registered."""
    found = []
    for kind, name, path in _written(document.content):
        known = registry.names(kind)
        if name.replace("-", "_") not in (entry.replace("-", "_") for entry in known):
            found.append(document.problem(path, str(UnknownName(kind, name, known))))
    return found


def _written(content: Mapping[str, Any]) -> Iterator[tuple[Kind, str, KeyPath]]:
    task, data = content.get("task"), content.get("data")
    if _is_plain(task):
        yield "task", task, ("task",)
    name = data.get("name") if isinstance(data, Mapping) and not any(key in data for key in _ELSEWHERE) else None
    if _is_plain(name):
        yield "dataset", name, ("data", "name")
    yield from _models(content.get("models"))
    for recipe, variants in _items(content.get("recipes")):
        for variant, _ in _items(variants):
            if _is_plain(variant):
                yield "variant", variant, ("recipes", recipe, variant)


def _models(models: Any) -> Iterator[tuple[Kind, str, KeyPath]]:
    if isinstance(models, list):
        for place, name in enumerate(models):
            if _is_plain(name):
                yield "model", name, ("models", place)
    for name, settings in _items(models):
        elsewhere = isinstance(settings, Mapping) and any(key in settings for key in _ELSEWHERE)
        if _is_plain(name) and not elsewhere:
            yield "model", name, ("models", name)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()


def _is_plain(name: Any) -> TypeGuard[str]:
    """Text that can only mean a registered entry: no file, no hub id."""
    return isinstance(name, str) and bool(name) and not registry.is_path(name)
