"""Checks the files of a results directory against their hashes and schemas, and repairs what can be repaired."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.storage import Damage, Store

IN_USE = "a sweep works here now: what it is just writing may look damaged; verify again when it has ended"


@dataclass(frozen=True)
class DamagedFile:
    """One damage. `action`: what to do, or, of what was repaired, what was done."""

    path: str
    kind: str
    reason: str
    repairable: bool
    action: str


@dataclass(frozen=True)
class Verification:
    """`damage`: what is wrong now; `repaired`: what was, before a repair."""

    location: str
    damage: tuple[DamagedFile, ...]
    repaired: tuple[DamagedFile, ...] = ()
    warnings: tuple[str, ...] = ()


def verify(store: Store, where: str | None = None, *, repair: bool = False) -> Verification:
    """Check everything; `repair` takes the lock. `where` is what a person calls these results.

    Raises Locked while a sweep works there and `repair` is asked for, UserError for links that lead out and where there
    are no results, OSError where a file cannot be read.
    """
    command = f"orchestrate verify {shlex.quote(where or store.location)} --repair"
    if repair:
        with store.lock():
            repaired, left = store.repair()
        return Verification(store.location, _findings(left, command), _findings(repaired, None))
    found = store.verify()
    warnings = (IN_USE,) if found and store.is_in_use() else ()
    return Verification(store.location, _findings(found, command), warnings=warnings)


def document(found: Verification) -> dict[str, Any]:
    """The same for `--json`."""
    parts = {"damage": found.damage, "repaired": found.repaired}
    return {"location": found.location, **{name: [asdict(one) for one in part] for name, part in parts.items()}}


def _findings(found: Iterable[Damage], command: str | None) -> tuple[DamagedFile, ...]:
    """`command`: what repairs them; None where that is done."""
    return tuple(
        DamagedFile(
            damage.path,
            damage.kind,
            damage.reason,
            damage.repairable,
            command if damage.repairable and command is not None else damage.remedy,
        )
        for damage in found
    )
