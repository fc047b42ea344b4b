"""Checks what searches wrote down, and restores lost proposals from the table of trials, which holds them too."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt
from analysis.tables.trials import TABLE, trials_in
from orchestrator.errors import CorruptResults
from orchestrator.storage.damage import PROPOSED_AGAIN, SEARCH_WRITES, Damage
from orchestrator.storage.trials import SEARCH, STUDY, Notebook, Proposal, file_of

FROM_TRIALS = f"restored from {TABLE}"


def of_searches(root: Folder) -> Iterator[Damage]:
    """Studies and proposals that are damaged or missing."""
    for key in root.child(SEARCH).names():
        notebook = Notebook(root.child(f"{SEARCH}/{key}"))
        if notebook.folder.names():
            yield from _of_study(notebook, f"{SEARCH}/{key}")
            yield from _of_proposals(root, notebook, f"{SEARCH}/{key}")


def restore_proposals(root: Folder) -> None:
    """Write the proposals again that are gone, and that `trials.parquet` holds."""
    for key in root.child(SEARCH).names():
        notebook = Notebook(root.child(f"{SEARCH}/{key}"))
        for number, proposal in _held(root, notebook).items():
            if number not in notebook.numbers():
                notebook.propose(proposal)


def _of_study(notebook: Notebook, path: str) -> Iterator[Damage]:
    name = f"{path}/{STUDY}"
    if not notebook.exists():
        yield Damage.plain(name, "missing", False, SEARCH_WRITES)
        return
    try:
        notebook.description()
    except CorruptResults:
        yield Damage.plain(name, "damaged", False, SEARCH_WRITES, name)


def _of_proposals(root: Folder, notebook: Notebook, path: str) -> Iterator[Damage]:
    held, there = _held(root, notebook), set(notebook.numbers())
    for number in range(1, max([*held, *there], default=0) + 1):
        name = f"{path}/{file_of(number)}"
        remedy = (True, FROM_TRIALS) if number in held else (False, PROPOSED_AGAIN)
        if number not in there:
            yield Damage.plain(name, "missing", *remedy)
            continue
        try:
            notebook.proposal(number)
        except CorruptResults:
            yield Damage.plain(name, "damaged", *remedy, name)


def _held(root: Folder, notebook: Notebook) -> dict[int, Proposal]:
    """The proposals of a notebook that the table of trials holds; none where either cannot be read."""
    if not (root.exists(TABLE) and notebook.exists()):
        return {}
    rows: list[dict[str, Any]] = []
    with contextlib.suppress(Corrupt, CorruptResults, IsADirectoryError):
        about = notebook.description()
        rows = [
            row
            for row in trials_in(root.read(TABLE), TABLE).to_pylist()
            if (row["search"], row["system"]) == (about["search"], about["system"])
        ]
    return {
        row["trial"]: Proposal(row["trial"], row["run_id"], row["proposed_by"], json.loads(row["parameters"]))
        for row in rows
    }
