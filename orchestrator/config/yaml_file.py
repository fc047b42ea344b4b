"""Reads YAML strictly: plain values only, every key once, and the line of each key kept for messages.

What a scalar means, and the writer `dump`, are `analysis/yaml_text.py`. Tags, anchors and aliases are refused: a
settings file needs none of them, and they are how a file builds objects or grows to gigabytes.
"""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from analysis.yaml_text import Scalar, dump, is_text, plain
from orchestrator.errors import InvalidExperiment, Problem

__all__ = ["Document", "KeyPath", "dotted", "dump", "parse", "read", "readable", "scalar"]

MAXIMUM_BYTES = 1_000_000
MAXIMUM_DEPTH = 40
MAXIMUM_DIGITS = 300

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The content of one file. `lines` maps a key path to the line (from 1) of the key or list entry.

    `origins` maps a key path to what set it, if that was not the file (e.g. `--seeds`). `problems` has what could not
    be read; the content is the rest.
    """

    source: str
    content: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def checked(self) -> Document:
        """Return the document. Raises InvalidExperiment if a part of it could not be read."""
        if self.problems:
            raise InvalidExperiment(self.source, self.problems)
        return self

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return a problem with the key at `path`, at its line or at the line of the nearest key around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return Problem(dotted(path), message, source=self.origins[path[:length]])
            if path[:length] in self.lines:
                return Problem(dotted(path), message, self.lines[path[:length]])
        return Problem(dotted(path), message)

    def value(self, path: KeyPath) -> Any:
        """Return the value at a path. Raises KeyError or IndexError."""
        value: Any = self.content
        for part in path:
            value = value[part]
        return value

    def written(self, path: KeyPath) -> Any:
        """Return the value at a path; None if nothing is written there."""
        try:
            return self.value(path)
        except (KeyError, IndexError, TypeError):
            return None

    def replaced(self, path: KeyPath, value: Any, origin: str) -> Document:
        """Return a copy in which `path` holds `value`, set by `origin`; missing mappings on the way are added."""
        content = copy.deepcopy(self.content)
        inner: dict[Any, Any] = content
        for part in path[:-1]:
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
            inner = inner[part]
        inner[path[-1]] = value
        lines = {key: line for key, line in self.lines.items() if key[: len(path)] != path}
        return replace(self, content=content, lines=lines, origins={**self.origins, path: origin})


def read(path: Path, source: str | None = None, unquoted: Scalar = plain) -> Document:
    """Read a file. `source` is what messages call it; `unquoted` reads scalars. Raises InvalidExperiment."""
    return readable(path, source, unquoted).checked()


def readable(path: Path, source: str | None = None, unquoted: Scalar = plain) -> Document:
    """Return what can be read of a file, with the document's `problems`; raise InvalidExperiment if nothing can."""
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
    return _parsed(text, source, unquoted)


def parse(text: str, source: str, unquoted: Scalar = plain) -> Document:
    """Parse the text of one document whose top level is a mapping. Raises InvalidExperiment."""
    return _parsed(text, source, unquoted).checked()


def _parsed(text: str, source: str, unquoted: Scalar) -> Document:
    node = _compose(text, source)
    if not isinstance(node, yaml.MappingNode):
        what = "is empty" if node is None else "must hold `key: value` lines at its top level"
        raise InvalidExperiment(source, [Problem("", what, None if node is None else 1)])
    reader = _Reader(unquoted)
    content = reader.value(node, ())
    return Document(source, content, reader.lines, problems=tuple(reader.problems))


def scalar(text: str) -> Any:
    """Parse one YAML value as it is written on a command line. Raises InvalidExperiment."""
    node = _compose(text, "--set")
    reader = _Reader()
    value = None if node is None else reader.value(node, ())
    if reader.problems:
        raise InvalidExperiment("--set", reader.problems)
    return value


class _Refused(yaml.MarkedYAMLError):
    """Valid YAML that a settings file may not use."""


class _Composer(yaml.composer.Composer):
    """Composes nodes; refuses tags, anchors, aliases and endless nesting before anything is built from them."""

    depth = 0
    peek_event: Any  # the parser's, with which this is combined

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()
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


class _Loader(_Composer, yaml.SafeLoader):
    """Reads with the parser whose errors say what is wrong in the clearest words."""


class _FastLoader(_Composer, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads with libyaml where it is installed: a file of 50,000 lines takes well below a second."""

    def __init__(self, text: str) -> None:
        super(yaml.composer.Composer, self).__init__(text)
        yaml.composer.Composer.__init__(self)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Return one tag for all nodes: what a scalar means is up to `_Reader`."""
        return "tag:yaml.org,2002:str"


def _compose(text: str, source: str) -> yaml.Node | None:
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError, UnicodeError):  # the other parser then says what is wrong
            return _node(_FastLoader, text)
    try:
        return _node(_Loader, text)
    except yaml.MarkedYAMLError as error:
        raise InvalidExperiment(source, [_syntax_problem(error, text)]) from error
    except yaml.YAMLError as error:
        raise InvalidExperiment(source, [Problem("", f"is not YAML: {error}".replace("\n", " "))]) from error


def _node(loader_class: Any, text: str) -> yaml.Node | None:
    loader = loader_class(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    finally:
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
    """Turns nodes into values, and collects lines and problems."""

    def __init__(self, unquoted: Scalar = plain) -> None:
        self.unquoted = unquoted
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style:  # None or "" if unquoted
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
        if len(text) > MAXIMUM_DIGITS and not is_text(text):
            message = f"is a number of {len(text)} characters"
            self.problems.append(Problem(dotted(path), message, node.start_mark.line + 1))
            return None
        return self.unquoted(text)


def dotted(path: KeyPath) -> str:
    """Return `("models", "a", 0)` as `models.a[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
