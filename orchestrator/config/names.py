"""Which names an experiment, a recipe or a model may have, and how a run is named: they become folders and cells."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

MAXIMUM_LENGTH = 100
_RUN_ID = re.compile(r"[0-9a-f]{16}")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_WITH_FOLDERS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")


def check_name(name: str) -> str:
    """The name. Raises ValueError unless it is letters, digits and `_ . + -`, and begins with none of `. + -`."""
    _check_length(name)
    if not _PLAIN.fullmatch(name):
        raise ValueError(
            f"may hold letters, digits, '_', '.', '+' and '-' and begin with a letter or digit, got {name!r}"
        )
    return name


def check_model_name(name: str) -> str:
    """The name itself: a plain name, or a hub id such as `owner/name`. Raises ValueError."""
    _check_length(name)
    if not _WITH_FOLDERS.fullmatch(name):
        raise ValueError(
            f"must be a preset's name or a hub id such as owner/name, got {name!r}; "
            "for a folder write `my-model: {path: the/folder}`"
        )
    return name


def _check_length(name: str) -> None:
    if not 1 <= len(name) <= MAXIMUM_LENGTH:
        raise ValueError(f"must have 1 to {MAXIMUM_LENGTH} characters, got {len(name)}")


Name = Annotated[str, AfterValidator(check_name)]
ModelName = Annotated[str, AfterValidator(check_model_name)]


def init_from_parts(written: str) -> tuple[str | None, str]:
    """Results directory (None: the sweep's own) and run id of an `init_from`. Raises ValueError for anything else."""
    place, _, run_id = written.rpartition("/")
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(
            f"must be a run id (16 hexadecimal digits, see `orchestrate results`) or DIRECTORY/RUN_ID, got {written!r}"
        )
    return place or None, run_id


def check_init_from(written: str) -> str:
    """The text itself. Raises ValueError as `init_from_parts`."""
    init_from_parts(written)
    return written


InitFrom = Annotated[str, AfterValidator(check_init_from)]
