"""Collects the version of the code behind a command's runs: once, in the process that a person started.

`git_commit` is the commit of the repository that holds the experiment file: a reader checks it out to see the
experiment, and the Python files it names, as they were. MLflow does the same with the script that was started. A
built-in experiment, or the file of a results directory, has no repository of its own; then the working directory
counts. Results without `orchestrate_version` are older: their `git_commit` came from the worker's working directory,
and is empty for runs on Ray.

`orchestrate_commit` is the commit of the checkout that this program runs from; None if it was installed from a wheel.

A commit ends with `-dirty` if files that git tracks differ from it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from orchestrator.config.load import is_swept
from orchestrator.worker.versions import Provenance, installed_version

DISTRIBUTION = "orchestrator"
GIT_SECONDS = 10.0
_OID = re.compile(rb"^# branch\.oid ([0-9a-f]{40,64})$", re.MULTILINE)
_STATUS = ("status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=no")
# git sets these for hooks and `rebase --exec`; they name the repository that this program was started from
_OF_THE_CALLER = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX"}
# git may only read: it takes no lock that the person's own git needs, and fetches nothing that a partial clone lacks
_LOOK_ONLY = {"GIT_OPTIONAL_LOCKS": "0", "GIT_ALLOW_PROTOCOL": "none", "GIT_TERMINAL_PROMPT": "0"}


def collect(folder: Path | None) -> Provenance:
    """Return the provenance; never raise or prompt. `folder` holds the experiment file (None: working directory)."""
    return Provenance(
        orchestrate_version=installed_version(DISTRIBUTION),
        orchestrate_commit=commit_of_file(Path(__file__)),
        git_commit=commit(folder or Path()),
    )


def commit_of_file(file: Path) -> str | None:
    """Return the commit of a file that git tracks; None if it only lies in a repository, e.g. in its `.venv`."""
    tracked = _git(file.parent, "ls-files", "--error-unmatch", "--", file.name)
    return None if tracked is None else commit(file.parent)


def commit(folder: Path) -> str | None:
    """Return the commit of the repository that holds `folder`; None if there is none, or git is missing, slow or fails.

    A repository that came with results is not read: results are data, and its settings name programs that git starts.
    """
    root = _git(folder, "rev-parse", "--show-toplevel")
    if root is None or _came_with_results(Path(os.fsdecode(root.removesuffix(b"\n")))):
        return None
    status = _git(folder, *_STATUS)
    oid = None if status is None else _OID.search(status)
    if status is None or oid is None:
        return None
    is_dirty = any(not line.startswith(b"#") for line in status.splitlines())
    return oid[1].decode() + ("-dirty" if is_dirty else "")


def _came_with_results(root: Path) -> bool:
    try:
        return any(is_swept(folder) for folder in (root, *root.parents))
    except PermissionError:
        return True


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return what git prints; None if it fails. git starts no daemon to watch the files."""
    program = shutil.which("git")
    if program is None:
        return None
    command = [program, "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_THE_CALLER}
    try:
        return subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=GIT_SECONDS,
            env=inherited | _LOOK_ONLY,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
