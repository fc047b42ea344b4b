"""Writes YAML that this product and readers of YAML 1.1 read back alike."""

from __future__ import annotations

import json
import math
from typing import Any

import yaml

from orchestrator.config.yaml_file import CORE_SCHEMA


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
