"""`orchestrate verify`: checks a results directory's files against hashes and schemas, and repairs what it can."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.storage import Damage, Store

IN_USE = "a sweep is running here: files that it is writing may look damaged; verify again when it has ended"


@dataclass(frozen=True)
class DamagedFile:
    """A damaged file. `action`: what to do, or what was done if it was repaired."""

    path: str
    kind: str
    reason: str
    repairable: bool
    action: str


@dataclass(frozen=True)
class Verification:
    """`damage`: what is damaged now; `repaired`: what was damaged before the repair."""

    location: str
    damage: tuple[DamagedFile, ...]
    repaired: tuple[DamagedFile, ...] = ()
    warnings: tuple[str, ...] = ()


def verify(store: Store, where: str | None = None, *, repair: bool = False) -> Verification:
    """Check every file; `repair` takes the lock. `where` is what the user calls these results.

    Raises Locked if `repair` is asked for while a sweep runs there, UserError for links that lead out and if there are
    no results, OSError if a file cannot be read.
    """
    command = f"orchestrate verify {shlex.quote(where or store.location)} --repair"
    if repair:
        with store.lock():
            repaired, left = store.repair()
        return Verification(store.location, _damaged_files(left, command), _damaged_files(repaired, None))
    damages = store.verify()
    warnings = (IN_USE,) if damages and store.is_in_use() else ()
    return Verification(store.location, _damaged_files(damages, command), warnings=warnings)


def document(verification: Verification) -> dict[str, Any]:
    """Return the verification for `--json`."""
    parts = {"damage": verification.damage, "repaired": verification.repaired}
    return {
        "location": verification.location,
        **{name: [asdict(file) for file in part] for name, part in parts.items()},
    }


def _damaged_files(damages: Iterable[Damage], command: str | None) -> tuple[DamagedFile, ...]:
    """Turn damages into damaged files; `command` repairs them, None if they are repaired already."""
    return tuple(
        DamagedFile(
            damage.path,
            damage.kind,
            damage.reason,
            damage.repairable,
            command if damage.repairable and command is not None else damage.remedy,
        )
        for damage in damages
    )
