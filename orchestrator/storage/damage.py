"""What can be wrong with a file of a results directory, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DamageKind = Literal["damaged", "missing", "foreign"]
REASONS: dict[DamageKind, str] = {
    "damaged": "is not the file that was written",
    "missing": "is missing",
    "foreign": "was added by somebody else, and would be read",
}
RESTORED, REBUILT, ASIDE = "restored from the tables", "built anew from the records", "moved to quarantine/"
RUN_AGAIN, SWEEP_WRITES = "the next sweep runs it again", "the next sweep writes it anew"
SEARCH_WRITES, PROPOSED_AGAIN = "the next search writes it anew", "the next search proposes its trial again"
PROFILE_WRITES = "the next `orchestrate profile` writes it anew"


@dataclass(frozen=True)
class Damage:
    """A file or folder that is not as it was written; `path` is relative to the results directory.

    `kind`: its content was changed (damaged), it is gone (missing), or it is not ours (foreign); `reason` says so in
    words. `remedy` is what a repair does, or, where it is not `repairable`, what replaces the file. `aside` is what a
    repair moves to quarantine by itself; records and tables are set aside where they are restored.
    """

    path: str
    kind: DamageKind
    reason: str
    repairable: bool
    remedy: str
    aside: str | None = None

    @classmethod
    def plain(cls, path: str, kind: DamageKind, repairable: bool, remedy: str, aside: str | None = None) -> Damage:
        """One of which there is no more to say than its kind."""
        return cls(path, kind, REASONS[kind], repairable, remedy, aside)
