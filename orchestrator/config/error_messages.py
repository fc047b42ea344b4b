"""Says what is wrong in words of the experiment file: the key, its line, what it must be and what it is.

`Check` collects everything that is wrong with an experiment, so that all of it is reported at once;
`from_validation` puts pydantic's errors into words; `unknown_names` finds names that nobody registered, also in a
document that is not a valid experiment.
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
    """One problem per key; alternatives of one key (`a whole number or 'auto'`) are one sentence.

    `model` is what was validated, `at` where in the document it stands.
    """
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors():
        grouped.setdefault(_path(details, document, at), []).append(details)
    return [document.problem(path, _message(path[len(at) :], found, model)) for path, found in grouped.items()]


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'? known: x, y`, without the question where nothing is near."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    question = f"; did you mean {near[0]!r}?" if near else ";"
    return f"{question} known: {', '.join(names) or 'none'}"


def _path(details: ErrorDetails, document: Document, at: KeyPath) -> KeyPath:
    """The part of an error's location that is in the document; pydantic adds the names of union members to it."""
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


def _message(path: KeyPath, found: Sequence[ErrorDetails], model: type[BaseModel]) -> str:
    first = found[0]
    if first["type"] == "missing":
        return "is needed"
    if first["type"] == "extra_forbidden":
        return _unknown_key(path, model)
    telling = [details for details in found if details["type"] not in _TYPES] or found
    if telling[0]["type"] not in _EXPECTED:
        return _own_words(telling[0])
    expected = list(dict.fromkeys(_expected(details) for details in telling))
    return f"must be {' or '.join(expected)}, got {_shown(first['input'])}{_hint(telling)}"


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


def _hint(found: Sequence[ErrorDetails]) -> str:
    value = found[0]["input"]
    if value is None and found[0]["type"] in ("dict_type", "model_type"):
        return "; write {} for an empty one"
    if not isinstance(value, str):
        return ""
    kinds = {details["type"] for details in found}
    if kinds & {"int_type", "float_type"} and _is_number(value):
        return "; remove the quotes"
    options = [
        option for details in found for option in re.findall(r"'([^']*)'", details.get("ctx", {}).get("expected", ""))
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
    """The fields of the model that stands at `path` below `model`; empty where that is no model."""
    annotation: Any = model
    for part in path:
        annotation = _inner(annotation, part)
    found = _model_in(annotation)
    return {} if found is None else found.model_fields


def _inner(annotation: Any, part: str | int) -> Any:
    found = _model_in(annotation)
    if found is not None:
        field = found.model_fields.get(str(part))
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
        return next((found for found in map(_model_in, get_args(annotation)) if found is not None), None)
    return None


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


class Check:
    """Collects problems, each at its line of the document, so that all are reported at once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def add(self, path: KeyPath, message: str) -> None:
        """One problem per line of the message."""
        self.problems += [self.document.problem(path, line) for line in message.splitlines()]

    def attempt(self, path: KeyPath, action: Callable[[], Any], model: type[BaseModel] | None = None) -> Any:
        """What `action` returns; None, and a problem at `path`, where it raises ValueError or cannot import a file.

        `model` is what a ValidationError is about.
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
        """Raise InvalidExperiment if anything was wrong so far."""
        if self.problems:
            raise InvalidExperiment(self.document.source, self.problems)

    def _written(self, path: KeyPath) -> Any:
        try:
            return self.document.value(path)
        except (KeyError, IndexError, TypeError):
            return None
