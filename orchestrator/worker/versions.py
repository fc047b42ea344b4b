"""What a record says about the software that made it: library versions and the commit of the working directory."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("torch", "transformers", "ray")


@functools.cache
def software_columns() -> dict[str, str | None]:
    """The version and commit columns of the `runs` table."""
    columns: dict[str, str | None] = {f"{name}_version": _version(name) for name in LIBRARIES}
    return {**columns, "python_version": platform.python_version(), "git_commit": _git_commit()}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit checked out in the working directory, with `-dirty` where files differ; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
