"""What a search has proposed and the scores it got, one folder per system of a search, written before it is used.

    <out>/search/<search key>/study.json        the system, the search and its rungs, for later readers
    <out>/search/<search key>/0001.json ...     one proposal per file, created once, before its run starts
    <out>/search/<search key>/scores.jsonl      one line per epoch of a trial, as it was reported

A search that was killed goes on from these files and from the records of its runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.tables.checksummed_json import dump_checksummed, load_checksummed
from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt
from orchestrator.errors import CorruptResults
from orchestrator.storage.disk_errors import explained

SEARCH = "search"
STUDY = "study.json"
SCORES = "scores.jsonl"
PROPOSAL = re.compile(r"^(\d{4,})\.json$")


@dataclass(frozen=True)
class Proposal:
    """One trial as it was proposed: `number` counts from 1 within its system, `values` has the varied settings."""

    number: int
    run_id: str
    proposed_by: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class TrialLog:
    """The proposals and scores of one system in one search; opening creates nothing."""

    folder: Folder

    def exists(self) -> bool:
        """Return whether a study was started here."""
        return self.folder.exists(STUDY)

    def describe(self, content: Mapping[str, Any]) -> None:
        """Write down, once, what the study is about."""
        with explained(self.folder.uri):
            self.folder.create(STUDY, dump_checksummed(content))

    def description(self) -> dict[str, Any]:
        """Return what the study is about. Raises CorruptResults."""
        try:
            content = load_checksummed(self.folder.read(STUDY), f"{self.folder.uri}/{STUDY}")
            if not {"search", "system", "rungs"} <= content.keys():
                raise Corrupt(f"{self.folder.uri}/{STUDY}: does not describe a study")
            return content
        except (Corrupt, IsADirectoryError) as error:
            raise CorruptResults(f"{error}; move the file away, and the next search rewrites it") from error

    def proposals(self) -> list[Proposal]:
        """Read all proposals, by number. Raises CorruptResults for a damaged one."""
        names = [name for name in self.folder.names() if PROPOSAL.match(name)]
        return sorted((self._read(name) for name in names), key=lambda proposal: proposal.number)

    def numbers(self) -> list[int]:
        """Return the numbers that were proposed, from file names alone."""
        return [int(match[1]) for match in map(PROPOSAL.match, self.folder.names()) if match is not None]

    def propose(self, proposal: Proposal) -> None:
        """Write a proposal down. Raises StorageFull or StorageUnwritable."""
        content = {
            "number": proposal.number,
            "run_id": proposal.run_id,
            "proposed_by": proposal.proposed_by,
            "values": dict(proposal.values),
        }
        with explained(self.folder.uri):
            created = self.folder.create(file_of(proposal.number), dump_checksummed(content))
        assert created, "the lock keeps other searches out, so no number is used twice"

    def scores(self) -> dict[int, dict[int, float]]:
        """Return trial -> epoch -> score, without a last line that a kill has cut off."""
        scores: dict[int, dict[int, float]] = {}
        if not self.folder.exists(SCORES):
            return scores
        for line in self.folder.read(SCORES).decode("utf-8", "replace").split("\n"):
            entry = _parsed(line)
            if entry is not None:
                scores.setdefault(entry[0], {})[entry[1]] = entry[2]
        return scores

    def add_score(self, trial: int, epoch: int, score: float) -> None:
        """Append the score that a trial reported after an epoch. Raises StorageFull or StorageUnwritable."""
        line = json.dumps({"trial": trial, "epoch": epoch, "score": score})
        with explained(self.folder.uri):
            self.folder.append(SCORES, f"{line}\n".encode())

    def proposal(self, number: int) -> Proposal:
        """Read one proposal. Raises CorruptResults, or FileNotFoundError."""
        return self._read(file_of(number))

    def _read(self, name: str) -> Proposal:
        try:
            return Proposal(**load_checksummed(self.folder.read(name), f"{self.folder.uri}/{name}"))
        except (Corrupt, TypeError, IsADirectoryError) as error:
            raise CorruptResults(f"{error}; move the file away, and its trial is proposed again") from error


def file_of(number: int) -> str:
    """Return the name of the file that holds a proposal."""
    return f"{number:04d}.json"


def _parsed(line: str) -> tuple[int, int, float] | None:
    """Return trial, epoch and score of a line; None for an incomplete one."""
    try:
        entry = json.loads(line)
        return int(entry["trial"]), int(entry["epoch"]), float(entry["score"])
    except (ValueError, KeyError, TypeError):
        return None
