"""How a person names a run on the command line: the beginning of its id, or `system:seed`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.errors import UserError


def find_run(text: str, cells: Iterable[Mapping[str, Any]], run_ids: Iterable[str]) -> str:
    """The one run that `text` names among the cells of the grid and the runs that have a folder.

    Raises UserError where it names none, or several, which are then listed.
    """
    listed = list(cells)
    known = sorted({str(cell["run_id"]) for cell in listed} | set(run_ids))
    found = [run_id for run_id in known if text and run_id.startswith(text.lower())]
    system, _, seed = text.rpartition(":")
    found += [cell["run_id"] for cell in listed if system and (cell["system"], str(cell["seed"])) == (system, seed)]
    if len(set(found)) == 1:
        return str(found[0])
    if not found:
        raise UserError(f"no run {text!r}; give the beginning of a run id, or system:seed such as {_example(listed)}")
    raise UserError(f"{text!r} names {len(set(found))} runs: {', '.join(sorted(set(found)))}; give one of these ids")


def _example(cells: list[Mapping[str, Any]]) -> str:
    return f"{cells[0]['system']}:{cells[0]['seed']}" if cells else "minilm-l6:42"
