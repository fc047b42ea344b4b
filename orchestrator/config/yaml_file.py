"""Reads and writes YAML the strict way: plain values only, every key once, and each key's line kept for messages.

Scalars follow the core schema of YAML 1.2.2 (section 10.3.2): `3e-5` is a number, `yes` and `2026-01-31` are text and
`010` is ten, unlike in PyYAML's YAML 1.1. Tags, anchors and aliases are refused: a settings file needs none of them,
and they are how a file builds objects or grows to gigabytes. `dump` writes what this reader and readers of YAML 1.1
read back alike.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import InvalidExperiment, Problem

MAXIMUM_BYTES = 1_000_000
MAXIMUM_DEPTH = 40
MAXIMUM_DIGITS = 300

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The content of one file. `lines` maps a key path to the line (from 1) on which the key or list entry stands.

    `origins` maps a key path to what set it, where that was not the file (e.g. `--seeds`).
    """

    source: str
    content: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem of the key at `path`, placed at its line or at that of the nearest key around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return Problem(dotted(path), message, source=self.origins[path[:length]])
            if path[:length] in self.lines:
                return Problem(dotted(path), message, self.lines[path[:length]])
        return Problem(dotted(path), message)

    def value(self, path: KeyPath) -> Any:
        """What stands at a path. Raises KeyError or IndexError."""
        value: Any = self.content
        for part in path:
            value = value[part]
        return value

    def replaced(self, path: KeyPath, value: Any, origin: str) -> Document:
        """A copy in which `path` holds `value`, set by `origin`; missing mappings on the way are made."""
        content = copy.deepcopy(self.content)
        inner: dict[Any, Any] = content
        for part in path[:-1]:
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
            inner = inner[part]
        inner[path[-1]] = value
        lines = {key: line for key, line in self.lines.items() if key[: len(path)] != path}
        return Document(self.source, content, lines, {**self.origins, path: origin})


def read(path: Path, source: str | None = None) -> Document:
    """Read a file. `source` is what messages call it. Raises InvalidExperiment."""
    source = source or str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidExperiment(source, [Problem("", f"cannot be read: {error.strerror}")]) from error
    if len(data) > MAXIMUM_BYTES:
        raise InvalidExperiment(source, [Problem("", f"is {len(data)} bytes long; the limit is {MAXIMUM_BYTES}")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidExperiment(source, [Problem("", "is not valid UTF-8; save it as UTF-8", line)]) from error
    return parse(text, source)


def parse(text: str, source: str) -> Document:
    """Parse the text of one document whose top level is a mapping. Raises InvalidExperiment."""
    node = _compose(text, source)
    if not isinstance(node, yaml.MappingNode):
        what = "is empty" if node is None else "must hold `key: value` lines at its top level"
        raise InvalidExperiment(source, [Problem("", what, None if node is None else 1)])
    reader = _Reader()
    content = reader.value(node, ())
    if reader.problems:
        raise InvalidExperiment(source, reader.problems)
    return Document(source, content, reader.lines)


def scalar(text: str) -> Any:
    """The value of one YAML value as it is written on a command line. Raises InvalidExperiment."""
    node = _compose(text, "--set")
    reader = _Reader()
    value = None if node is None else reader.value(node, ())
    if reader.problems:
        raise InvalidExperiment("--set", reader.problems)
    return value


class _Refused(yaml.MarkedYAMLError):
    """Valid YAML that a settings file may not use."""


class _Loader(yaml.SafeLoader):
    """Composes nodes; refuses tags, anchors, aliases and endless nesting before anything is built from them."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _Refused(
                problem="anchors and aliases are not supported; write the value out", problem_mark=event.start_mark
            )
        if event.tag not in (None, "!"):
            raise _Refused(
                problem=f"the tag {event.tag!r} is refused: only plain values are read", problem_mark=event.start_mark
            )
        if self.depth >= MAXIMUM_DEPTH:
            raise _Refused(problem=f"nested deeper than {MAXIMUM_DEPTH} levels", problem_mark=event.start_mark)
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str, source: str) -> yaml.Node | None:
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise InvalidExperiment(source, [_syntax_problem(error, text)]) from error
    except yaml.YAMLError as error:
        raise InvalidExperiment(source, [Problem("", f"is not YAML: {error}".replace("\n", " "))]) from error
    finally:
        if loader is not None:
            loader.dispose()
    return node


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else mark.line + 1
    message = error.problem or error.context or "is not YAML"
    lines = text.splitlines()
    if line is not None and line <= len(lines) and "\t" in lines[line - 1]:
        message = "a tab is used for spacing; YAML allows spaces only"
    return Problem("", message, line)


class _Reader:
    """Turns nodes into values, and remembers lines and everything that is wrong."""

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style is not None:
            return node.value
        return self._plain(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(dotted(path), "a key must be text", line))
                continue
            key = key_node.value
            if key in content:
                first = self.lines[(*path, key)]
                self.problems.append(Problem(dotted((*path, key)), f"is there twice (first in line {first})", line))
                continue
            self.lines[(*path, key)] = line
            content[key] = self.value(value_node, (*path, key))
        return content

    def _plain(self, node: yaml.Node, path: KeyPath) -> Any:
        text: str = node.value
        for pattern, construct in CORE_SCHEMA:
            if pattern.match(text):
                if len(text) > MAXIMUM_DIGITS:
                    message = f"a number of {len(text)} characters"
                    self.problems.append(Problem(dotted(path), message, node.start_mark.line + 1))
                    return 0
                return construct(text)
        return text


def dotted(path: KeyPath) -> str:
    """`("models", "a", 0)` as `models.a[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


CORE_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"(?:null|Null|NULL|~|)\Z"), lambda text: None),
    (re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+\Z"), int),
    (re.compile(r"0o[0-7]+\Z"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+\Z"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)\Z"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)\Z"), lambda text: float("nan")),
)


def dump(content: dict[str, Any]) -> str:
    """The mapping as text, keys in their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and quotes text wherever a reader might take it for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    is_plain = text.isprintable() and not any(pattern.match(text) for pattern, _ in CORE_SCHEMA)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


def _represent_float(dumper: yaml.SafeDumper, number: float) -> yaml.Node:
    if not math.isfinite(number):
        return dumper.represent_float(number)
    text = json.dumps(number)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # YAML 1.1 takes 3e-05 for text
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
