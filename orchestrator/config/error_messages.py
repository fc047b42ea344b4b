"""Words errors in terms of the experiment file: the key, its line, what it must be and what it is.

`Check` collects the errors of an experiment, so that all are reported at once; `from_validation` rewords pydantic's
errors; `unknown_names` finds names that are not registered, even in a document that is not a valid experiment.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeGuard

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.config.key_names import LONGEST_TO_COMPARE, unknown_key
from orchestrator.config.yaml_file import Document, KeyPath, dotted
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
_SIZES: dict[str, str] = {
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} character",
}
_TYPES = frozenset(
    {"int_type", "float_type", "string_type", "bool_type", "literal_error", "dict_type", "model_type", "tuple_type"}
)
_ELSEWHERE = ("path", "train", "hub")
MOST_OF_A_SECTION = 20
_BOOLEANS = {
    **dict.fromkeys(("yes", "y", "on", "1", "true"), "true"),
    **dict.fromkeys(("no", "n", "off", "0", "false"), "false"),
}
_GROUPED = re.compile(r"[0-9]{1,3}([_, ][0-9]{3})+")
_PERCENT = re.compile(r"([0-9]+(\.[0-9]+)?) ?%")
_OF_A_NUMBER: dict[KeyPath, str] = {
    ("split",): "validation",
    ("train", "early_stopping"): "patience",
    ("search",): "trials",
}
_KINDS: tuple[Kind, ...] = ("task", "dataset", "model", "variant")


Details = dict[KeyPath, list[ErrorDetails]]


def from_validation(
    error: ValidationError, document: Document, model: type[BaseModel], at: KeyPath = ()
) -> list[Problem]:
    """Return one problem per key; the alternatives for a key (`a whole number or 'auto'`) make one sentence.

    `model` is the model that was validated, `at` its position in the document.
    """
    return worded(by_key(error, document, at), document, model, at)


def by_key(error: ValidationError, document: Document, at: KeyPath = ()) -> Details:
    """Return an error's details by the key that they are about."""
    grouped: Details = {}
    for details in error.errors(include_url=False):
        grouped.setdefault(_path(details, document, at), []).append(details)
    return grouped


def worded(grouped: Details, document: Document, model: type[BaseModel], at: KeyPath = ()) -> list[Problem]:
    """Return one problem per key; of a section with very many, the first ones and how many more there are."""
    return capped(
        document,
        ((path, partial(_message, path[len(at) :], of_key, model)) for path, of_key in grouped.items()),
    )


def capped(document: Document, wrong: Iterable[tuple[KeyPath, Callable[[], str]]]) -> list[Problem]:
    """Return a problem for each key; beyond MOST_OF_A_SECTION only their number, because each hint takes a while."""
    problems: list[Problem] = []
    unsaid: dict[KeyPath, list[KeyPath]] = {}
    said: Counter[KeyPath] = Counter()
    for path, message in wrong:
        section = path[:1] if len(path) > 1 else ()
        said[section] += 1
        if said[section] <= MOST_OF_A_SECTION:
            problems.append(document.problem(path, message()))
        else:
            unsaid.setdefault(section, []).append(path)
    for section, paths in unsaid.items():
        first = document.problem(paths[0], f"... and {len(paths):,} more")
        problems.append(replace(first, key=dotted(section)))
    return problems


def _path(details: ErrorDetails, document: Document, at: KeyPath) -> KeyPath:
    """Return the part of an error's location that is in the document; pydantic adds the names of union members."""
    path: list[str | int] = []
    value: Any = document.content
    for part in (*at, *details["loc"]):
        if isinstance(value, list) and isinstance(part, str) and part in value:
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
        return unknown_key(path, model)
    specific = [details for details in errors if details["type"] not in _TYPES] or errors
    if specific[0]["type"] in _SIZES:
        size = _SIZES[specific[0]["type"]].format(**specific[0].get("ctx", {}))
        return f"must have {size}, got {len(specific[0]['input'])}"
    if specific[0]["type"] not in _EXPECTED:
        return _own_words(specific[0])
    expected = list(dict.fromkeys(_expected(details) for details in specific))
    return f"must be {' or '.join(expected)}, got {_shown(first['input'])}{_hint(path, specific)}"


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


def _hint(path: KeyPath, errors: Sequence[ErrorDetails]) -> str:
    value = errors[0]["input"]
    kinds = {details["type"] for details in errors}
    if kinds & {"dict_type", "model_type"}:
        return _mapping_hint(path, value)
    if not isinstance(value, str) or len(value) > LONGEST_TO_COMPARE:
        return ""
    if kinds & {"int_type", "float_type"}:
        meant = _number_meant(value)
        if meant is not None:
            return "; remove the quotes" if meant == value else f"; write {meant}"
    if "bool_type" in kinds and value.lower() in _BOOLEANS:
        return f"; write {_BOOLEANS[value.lower()]}"
    options = [
        option for details in errors for option in re.findall(r"'([^']*)'", details.get("ctx", {}).get("expected", ""))
    ]
    near = difflib.get_close_matches(value, options, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _mapping_hint(path: KeyPath, value: Any) -> str:
    """Return how to write what stands in place of a mapping."""
    if value is None:
        return "; write {} for an empty one"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    number_key = _OF_A_NUMBER.get(path)
    if is_number and number_key is not None:
        return f"; write {{{number_key}: {value}}}"
    if not isinstance(value, str) or not value or len(value) > LONGEST_TO_COMPARE:
        return ""
    if path[-1:] == ("data",):
        is_file = "/" in value or "." in value
        return f"; write {{path: {value}}}" if is_file else f"; write {{name: {value}}}"
    if path[:1] == ("models",) and len(path) == 2:
        return f"; write {{path: {value}}} for a folder, {{hub: owner/name}} for the hub"
    return f"; write {{{value}: {{}}}}" if path[:1] == ("recipes",) and len(path) == 2 else ""


def _number_meant(text: str) -> str | None:
    """Return the number that a text stands for, as a file should write it; None if it stands for none."""
    if _is_number(text) and "_" not in text:
        return text.strip()
    if _GROUPED.fullmatch(text.strip()):
        return re.sub("[_, ]", "", text)
    percent = _PERCENT.fullmatch(text.strip())
    return f"{float(percent[1]) / 100:g}" if percent else None


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


def unknown_names(document: Document) -> list[Problem]:
    """Return one problem for each task, data set, model and variant with a plain name that is not registered."""
    known = {kind: registry.names(kind) for kind in _KINDS}
    plain = {kind: {name.replace("-", "_") for name in names} for kind, names in known.items()}
    return capped(
        document,
        (
            (path, partial(_unknown, kind, name, known[kind]))
            for kind, name, path in _written(document.content)
            if name.replace("-", "_") not in plain[kind]
        ),
    )


def _unknown(kind: Kind, name: str, known: list[str]) -> str:
    return str(UnknownName(kind, name, known))


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
    if _is_plain(models) and "," not in models:
        yield "model", models, ("models",)
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
    """Collects problems, each at its line of the document, so that all are reported at once; `ignores` some keys'."""

    def __init__(self, document: Document, ignores: Callable[[KeyPath], bool] = lambda path: False) -> None:
        self.document = document
        self.ignores = ignores
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def add(self, path: KeyPath, message: str) -> None:
        """Add one problem per line of the message."""
        if not self.ignores(path):
            self.problems += [self.document.problem(path, line) for line in message.splitlines()]

    def attempt(self, path: KeyPath, action: Callable[[], Any], model: type[BaseModel] | None = None) -> Any:
        """Return what `action` returns. If it raises ValueError or cannot import a file: add a problem, return None.

        The problem is at `path`; `model` is the model that a ValidationError is about.
        """
        try:
            return action()
        except ValidationError as error:
            details = by_key(error, self.document, path).items()
            others = {key: of_key for key, of_key in details if not self.ignores(key)}
            self.problems += worded(others, self.document, model or BaseModel, path)
        except ValueError as error:
            self.add(path, str(error))
        except (ImportError, SyntaxError, NameError, AttributeError, TypeError) as error:
            if not registry.is_path(str(path[-1])) and not registry.is_path(str(self.document.written(path))):
                raise
            self.add(path, f"the file cannot be imported: {type(error).__name__}: {error}")
        return None

    def finish(self) -> None:
        """Raise InvalidExperiment if there are problems so far."""
        if self.problems:
            raise InvalidExperiment(self.document.source, self.problems)
