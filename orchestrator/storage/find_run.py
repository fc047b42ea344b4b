"""Finds the run that a person names on the command line: by the beginning of its id, or by `system:seed`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.errors import UserError


def find_run(text: str, cells: Iterable[Mapping[str, Any]], run_ids: Iterable[str]) -> str:
    """Return the one run that `text` names among the cells of the grid and the runs that have a folder.

    Raises UserError if it names none, or several; these are then listed.
    """
    listed = list(cells)
    known = sorted({str(cell["run_id"]) for cell in listed} | set(run_ids))
    matches = [run_id for run_id in known if text and run_id.startswith(text.lower())]
    system, _, seed = text.rpartition(":")
    matches += [cell["run_id"] for cell in listed if system and (cell["system"], str(cell["seed"])) == (system, seed)]
    if len(set(matches)) == 1:
        return str(matches[0])
    if not matches:
        raise UserError(f"no run {text!r}; give the beginning of a run id, or system:seed such as {_example(listed)}")
    several = sorted(set(matches))
    raise UserError(f"{text!r} names {len(several)} runs: {', '.join(several)}; give one of these ids")


def _example(cells: list[Mapping[str, Any]]) -> str:
    return f"{cells[0]['system']}:{cells[0]['seed']}" if cells else "minilm-l6:42"
