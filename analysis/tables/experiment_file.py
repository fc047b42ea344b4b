"""Writes and reads `experiment.yaml` of a results directory: the resolved experiment of a sweep.

Before files said how to read them (HOW), a sweep wrote them with PyYAML, which omits quotes where YAML 1.1 sees text:
an experiment named `1e5` is written as `1e5`, which is a number elsewhere. In such a file a number is only what both
kinds of YAML read as one. That is exact: PyYAML writes no number that only YAML 1.2 reads as one. A file that says how
to read it follows the core schema alone, as files written by hand do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from analysis.yaml_text import dump, plain, plain_or_old_text, read

EXPERIMENT = "experiment.yaml"
MARK = b"# written by orchestrate sweep: the resolved experiment of these results\n"  # the first line
HOW = b"# scalars as in the core schema of YAML 1.2\n"  # the second line


def to_bytes(experiment: Mapping[str, Any]) -> bytes:
    """Return the file of an experiment."""
    return MARK + HOW + dump(experiment).encode()


def from_bytes(data: bytes) -> dict[str, Any]:
    """Read the experiment in a file, whichever program wrote it. Raises ValueError if it is not a mapping."""
    try:
        content = read(data, plain if says_how(data) else plain_or_old_text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict):
        raise ValueError("is not a mapping")
    return content


def says_how(data: bytes) -> bool:
    """Return whether the file quotes every text that another reader might take for a number."""
    return data.startswith(MARK + HOW)
