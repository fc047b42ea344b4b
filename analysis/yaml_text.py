"""Reads and writes YAML as plain values: scalars of the core schema, a fast reader for generated files, the writer.

Scalars follow the core schema of YAML 1.2.2 (section 10.3.2): `3e-5` is a number, `yes` and `2026-01-31` are text and
`010` is ten, unlike in PyYAML's YAML 1.1. Readers of both read back the same values from `dump`. The strict reader, for
files that people write, is `orchestrator/config/yaml_file.py`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

Scalar = Callable[[str], Any]

CORE_SCHEMA: tuple[tuple[re.Pattern[str], Scalar], ...] = (
    (re.compile(r"(?:null|Null|NULL|~|)\Z"), lambda text: None),
    (re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+\Z"), int),
    (re.compile(r"0o[0-7]+\Z"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+\Z"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)\Z"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)\Z"), lambda text: float("nan")),
)
_TEXT = "tag:yaml.org,2002:str"
_YAML_1_1 = yaml.resolver.Resolver()


def is_text(written: str) -> bool:
    """Return whether an unquoted scalar is text in the core schema."""
    return not any(pattern.match(written) for pattern, _ in CORE_SCHEMA)


def plain(written: str) -> Any:
    """Return the value of an unquoted scalar."""
    for pattern, construct in CORE_SCHEMA:
        if pattern.match(written):
            return construct(written)
    return written


def plain_or_old_text(written: str) -> Any:
    """Return the value of an unquoted scalar in a file that PyYAML wrote, which leaves text of YAML 1.1 unquoted."""
    of_1_1: str = _YAML_1_1.resolve(yaml.ScalarNode, written, (True, False))  # type: ignore[no-untyped-call]
    return written if of_1_1 == _TEXT else plain(written)


def read(text: bytes | str, scalar: Scalar = plain) -> Any:
    """Return the value of one document; keys are text, and the last one of repeated keys counts.

    `scalar` reads unquoted scalars. Raises yaml.YAMLError for what is not YAML, ValueError for tags, aliases, and
    impossible keys or numbers.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    return None if node is None else _Values(scalar).of(node)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes without resolving tags, with libyaml where available, as files may list thousands of seeds."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        return _TEXT


class _Values:
    """Turns each node into a value once: a repeated node is an alias, and aliases can grow to gigabytes."""

    def __init__(self, scalar: Scalar) -> None:
        self._scalar = scalar
        self._seen: set[int] = set()

    def of(self, node: yaml.Node) -> Any:
        if node.tag != _TEXT:
            raise ValueError(f"line {_line(node)}: the tag {node.tag!r} is refused: only plain values are read")
        if id(node) in self._seen:
            raise ValueError(f"line {_line(node)}: anchors and aliases are not supported")
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return {self._key(key): self.of(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [self.of(child) for child in node.value]
        assert isinstance(node, yaml.ScalarNode)
        return node.value if node.style else self._scalar(node.value)  # the style of an unquoted scalar is None or ""

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise ValueError(f"line {_line(node)}: a key must be text")
        return str(node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def dump(content: Mapping[str, Any], width: float = 120) -> str:
    """Return the mapping as text, keys in their order, lines folded at `width`."""
    style: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None}
    text: str = yaml.dump(dict(content), Dumper=_Dumper, width=width, **style)
    return text


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, and quotes text that a reader might mistake for something else or that acts on a screen."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    is_plain = text.isprintable() and is_text(text)
    return dumper.represent_scalar(_TEXT, text, style=None if is_plain else '"')


def _represent_float(dumper: yaml.SafeDumper, number: float) -> yaml.Node:
    if not math.isfinite(number):
        return dumper.represent_float(number)
    text = json.dumps(number)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # YAML 1.1 takes 3e-05 for text
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
