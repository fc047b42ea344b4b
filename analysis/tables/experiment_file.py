"""`experiment.yaml` of a results directory: the resolved experiment as a sweep writes it down, and reads it again.

Until it said how it is to be read (HOW), a sweep wrote it with PyYAML, which leaves out quotes where YAML 1.1 sees
text: an experiment named `1e5` stands there as `1e5`, which is a number elsewhere. In such a file only what both kinds
of YAML take for a number is one. That is exact: PyYAML writes no number that YAML 1.2 alone takes for one. A file that
says how it is read follows the core schema alone, as files of people do.
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
    """The file of an experiment."""
    return MARK + HOW + dump(experiment).encode()


def from_bytes(data: bytes) -> dict[str, Any]:
    """The experiment in a file, whichever program wrote it. Raises ValueError for one that is no mapping."""
    try:
        content = read(data, plain if says_how(data) else plain_or_old_text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict):
        raise ValueError("is not a mapping")
    return content


def says_how(data: bytes) -> bool:
    """Whether a sweep wrote this file with every text in quotes that another reader might take for a number."""
    return data.startswith(MARK + HOW)
