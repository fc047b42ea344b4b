"""Words errors in terms of the experiment file: the key, its line, what it must be and what it is.

`Check` collects the errors of an experiment, so that all are reported at once; `from_validation` rewords pydantic's
errors; `unknown_names` finds names that are not registered, even in a document that is not a valid experiment.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.config.yaml_file import Document, KeyPath
from orchestrator.errors import InvalidExperiment, Problem
from trainables import registry
from trainables.registry import Kind, UnknownName

_EXPECTED: dict[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "dict_type": "a mapping (`key: value`)",
    "model_type": "a mapping (`key: value`)",
    "list_type": "a list",
    "tuple_type": "a list",
    "literal_error": "{expected}",
    "greater_than_equal": "at least {ge}",
    "greater_than": "greater than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
}
_TYPES = frozenset({"int_type", "float_type", "string_type", "bool_type", "literal_error", "dict_type", "model_type"})
_ELSEWHERE = ("path", "hub")


def from_validation(
    error: ValidationError, document: Document, model: type[BaseModel], at: KeyPath = ()
) -> list[Problem]:
    """Return one problem per key; the alternatives for a key (`a whole number or 'auto'`) make one sentence.

    `model` is the model that was validated, `at` its position in the document.
    """
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors():
        grouped.setdefault(_path(details, document, at), []).append(details)
    return [document.problem(path, _message(path[len(at) :], errors, model)) for path, errors in grouped.items()]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'? known: x, y`, without the question if no name is close."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    question = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{question} known: {', '.join(names) or 'none'}"


def _path(details: ErrorDetails, document: Document, at: KeyPath) -> KeyPath:
    """Return the part of an error's location that is in the document; pydantic adds the names of union members."""
    path: list[str | int] = []
    value: Any = document.content
    for part in (*at, *details["loc"]):
        if isinstance(value, list) and part in value:
            part = value.index(part)
        if not _holds(value, part):
            return (*path, part) if details["type"] == "missing" else tuple(path)
        path.append(part)
        value = value[part]
    return tuple(path)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def _message(path: KeyPath, errors: Sequence[ErrorDetails], model: type[BaseModel]) -> str:
    first = errors[0]
    if first["type"] == "missing":
        return "is needed"
    if first["type"] == "extra_forbidden":
        return _unknown_key(path, model)
    specific = [details for details in errors if details["type"] not in _TYPES] or errors
    if specific[0]["type"] not in _EXPECTED:
        return _own_words(specific[0])
    expected = list(dict.fromkeys(_expected(details) for details in specific))
    return f"must be {' or '.join(expected)}, got {_shown(first['input'])}{_hint(specific)}"


def _own_words(details: ErrorDetails) -> str:
    raised = details.get("ctx", {}).get("error")
    if isinstance(raised, Exception):
        return str(raised)
    return details["msg"][0].lower() + details["msg"][1:]


def _expected(details: ErrorDetails) -> str:
    context = {key: _number(value) for key, value in details.get("ctx", {}).items()}
    return _EXPECTED[details["type"]].format(**context)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _hint(errors: Sequence[ErrorDetails]) -> str:
    value = errors[0]["input"]
    if value is None and errors[0]["type"] in ("dict_type", "model_type"):
        return "; write {} for an empty one"
    if not isinstance(value, str):
        return ""
    kinds = {details["type"] for details in errors}
    if kinds & {"int_type", "float_type"} and _is_number(value):
        return "; remove the quotes"
    options = [
        option for details in errors for option in re.findall(r"'([^']*)'", details.get("ctx", {}).get("expected", ""))
    ]
    near = difflib.get_close_matches(value, options, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown_key(path: KeyPath, model: type[BaseModel]) -> str:
    key = str(path[-1])
    known = list(_fields_at(model, path[:-1]))
    if len(path) > 1 or difflib.get_close_matches(key, known, n=1):
        return f"unknown key {key!r}{suggestion(key, known)}"
    sections = reversed(list(model.model_fields))  # of two sections with the key, the first one in the file's order
    elsewhere = {name: section for section in sections for name in _fields_at(model, (section,))}
    near = difflib.get_close_matches(key, elsewhere, n=1)
    if near:
        return f"unknown key {key!r}; did you mean {near[0]!r} under {elsewhere[near[0]]!r}?"
    return f"unknown key {key!r}{suggestion(key, known)}"


def _fields_at(model: type[BaseModel], path: KeyPath) -> Mapping[str, Any]:
    """Return the fields of the model at `path` below `model`; {} if no model is there."""
    annotation: Any = model
    for part in path:
        annotation = _inner(annotation, part)
    inner = _model_in(annotation)
    return {} if inner is None else inner.model_fields


def _inner(annotation: Any, part: str | int) -> Any:
    model = _model_in(annotation)
    if model is not None:
        field = model.model_fields.get(str(part))
        return None if field is None else field.annotation
    arguments = get_args(_unwrapped(annotation))
    return arguments[-1] if arguments else None


def _unwrapped(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    annotation = _unwrapped(annotation)
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        return next((model for model in map(_model_in, get_args(annotation)) if model is not None), None)
    return None


def unknown_names(document: Document) -> list[Problem]:
    """Return one problem for each task, data set, model and variant with a plain name that is not registered."""
    problems = []
    for kind, name, path in _written(document.content):
        known = registry.names(kind)
        if name.replace("-", "_") not in (entry.replace("-", "_") for entry in known):
            problems.append(document.problem(path, str(UnknownName(kind, name, known))))
    return problems


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
        for index, name in enumerate(models):
            if _is_plain(name):
                yield "model", name, ("models", index)
    for name, settings in _items(models):
        elsewhere = isinstance(settings, Mapping) and any(key in settings for key in _ELSEWHERE)
        if _is_plain(name) and not elsewhere:
            yield "model", name, ("models", name)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()


def _is_plain(name: Any) -> TypeGuard[str]:
    """Return whether this is text that can only name a registered entry: no file, no hub id."""
    return isinstance(name, str) and bool(name) and not registry.is_path(name)


class Check:
    """Collects problems, each at its line of the document, so that all are reported at once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def add(self, path: KeyPath, message: str) -> None:
        """Add one problem per line of the message."""
        self.problems += [self.document.problem(path, line) for line in message.splitlines()]

    def attempt(self, path: KeyPath, action: Callable[[], Any], model: type[BaseModel] | None = None) -> Any:
        """Return what `action` returns. If it raises ValueError or cannot import a file: add a problem, return None.

        The problem is at `path`; `model` is the model that a ValidationError is about.
        """
        try:
            return action()
        except ValidationError as error:
            self.problems += from_validation(error, self.document, model or BaseModel, path)
        except ValueError as error:
            self.add(path, str(error))
        except (ImportError, SyntaxError, NameError, AttributeError, TypeError) as error:
            if not registry.is_path(str(path[-1])) and not registry.is_path(str(self._written(path))):
                raise
            self.add(path, f"the file cannot be imported: {type(error).__name__}: {error}")
        return None

    def finish(self) -> None:
        """Raise InvalidExperiment if there are problems so far."""
        if self.problems:
            raise InvalidExperiment(self.document.source, self.problems)

    def _written(self, path: KeyPath) -> Any:
        try:
            return self.document.value(path)
        except (KeyError, IndexError, TypeError):
            return None
