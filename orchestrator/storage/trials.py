"""What a search has proposed and heard so far, one folder a system of a search: written before it is acted upon.

    <out>/search/<search key>/study.json        the system, the search and its rungs, for whoever looks later
    <out>/search/<search key>/0001.json ...     one proposal a file, created once, before its run is started
    <out>/search/<search key>/scores.jsonl      one line an epoch of a trial, as it was reported

A search that was killed goes on from these files and from the records of its runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt
from analysis.tables.sealed_json import seal, unseal
from orchestrator.errors import CorruptResults
from orchestrator.storage.disk_errors import explained

SEARCH = "search"
STUDY = "study.json"
SCORES = "scores.jsonl"
PROPOSAL = re.compile(r"^(\d{4,})\.json$")


@dataclass(frozen=True)
class Proposal:
    """One trial as it was proposed: `number` counts from 1 within its system, `values` has what is varied."""

    number: int
    run_id: str
    proposed_by: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class TrialLog:
    """The proposals and scores of one system in one search; opening creates nothing."""

    folder: Folder

    def exists(self) -> bool:
        """Whether a study was begun here."""
        return self.folder.exists(STUDY)

    def describe(self, content: Mapping[str, Any]) -> None:
        """Say once what the study is about."""
        with explained(self.folder.uri):
            self.folder.create(STUDY, seal(content))

    def description(self) -> dict[str, Any]:
        """What the study is about. Raises CorruptResults."""
        try:
            content = unseal(self.folder.read(STUDY), f"{self.folder.uri}/{STUDY}")
            if not {"search", "system", "rungs"} <= content.keys():
                raise Corrupt(f"{self.folder.uri}/{STUDY}: does not describe a study")
            return content
        except (Corrupt, IsADirectoryError) as error:
            raise CorruptResults(f"{error}; move the file aside: the next search writes it anew") from error

    def proposals(self) -> list[Proposal]:
        """All of them, by number. Raises CorruptResults for a damaged one."""
        names = [name for name in self.folder.names() if PROPOSAL.match(name)]
        return sorted((self._read(name) for name in names), key=lambda found: found.number)

    def numbers(self) -> list[int]:
        """The numbers that were proposed, by the names of their files alone."""
        return [int(found[1]) for found in map(PROPOSAL.match, self.folder.names()) if found is not None]

    def propose(self, proposal: Proposal) -> None:
        """Write a proposal down. Raises StorageFull or StorageUnwritable."""
        content = {
            "number": proposal.number,
            "run_id": proposal.run_id,
            "proposed_by": proposal.proposed_by,
            "values": dict(proposal.values),
        }
        with explained(self.folder.uri):
            created = self.folder.create(file_of(proposal.number), seal(content))
        assert created, "the lock keeps other searches out, so that no number is given twice"

    def scores(self) -> dict[int, dict[int, float]]:
        """trial -> epoch -> score; None of a last line that a kill has cut."""
        found: dict[int, dict[int, float]] = {}
        if not self.folder.exists(SCORES):
            return found
        for line in self.folder.read(SCORES).decode("utf-8", "replace").split("\n"):
            entry = _parsed(line)
            if entry is not None:
                found.setdefault(entry[0], {})[entry[1]] = entry[2]
        return found

    def note(self, trial: int, epoch: int, score: float) -> None:
        """Add what a trial reported after an epoch. Raises StorageFull or StorageUnwritable."""
        line = json.dumps({"trial": trial, "epoch": epoch, "score": score})
        with explained(self.folder.uri):
            self.folder.append(SCORES, f"{line}\n".encode())

    def proposal(self, number: int) -> Proposal:
        """One of them. Raises CorruptResults, or FileNotFoundError."""
        return self._read(file_of(number))

    def _read(self, name: str) -> Proposal:
        try:
            return Proposal(**unseal(self.folder.read(name), f"{self.folder.uri}/{name}"))
        except (Corrupt, TypeError, IsADirectoryError) as error:
            raise CorruptResults(f"{error}; move the file aside: its trial is then proposed anew") from error


def file_of(number: int) -> str:
    """The name of the file that has a proposal."""
    return f"{number:04d}.json"


def _parsed(line: str) -> tuple[int, int, float] | None:
    """Trial, epoch and score of a line; None for one that is not whole."""
    try:
        entry = json.loads(line)
        return int(entry["trial"]), int(entry["epoch"]), float(entry["score"])
    except (ValueError, KeyError, TypeError):
        return None
