"""What a record says about the software that made it: the code, as the driver knows it, and this worker's libraries."""

from __future__ import annotations

import functools
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("torch", "transformers", "ray")


@dataclass(frozen=True)
class Provenance:
    """The code that a run comes from, as columns of the `runs` table; None: unknown.

    The driver collects it (`commands/_provenance.py`) and every executor passes it to its workers: a Ray worker runs in
    "/", on a node that may have no checkout.
    """

    orchestrate_version: str | None = None
    orchestrate_commit: str | None = None
    git_commit: str | None = None


def software_columns(provenance: Provenance) -> dict[str, str | None]:
    """Return the version and commit columns of the `runs` table."""
    return {**_libraries(), **asdict(provenance)}


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@functools.cache
def _libraries() -> dict[str, str | None]:
    versions = {f"{name}_version": installed_version(name) for name in LIBRARIES}
    return {**versions, "python_version": platform.python_version()}
