"""Says whether the Hugging Face Hub may be asked, and resolves revisions of data sets and models to commits.

Heavy libraries are imported only when needed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

Kind = Literal["dataset", "model"]

_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_commit(revision: str | None) -> bool:
    """Return whether a revision is a full commit hash, which always names the same content, and not a branch or tag."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def is_offline(asked: bool = False) -> bool:
    """Return whether the hub must not be asked, because the caller or `HF_HUB_OFFLINE` says so."""
    return asked or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def commit(repository: str, revision: str | None, kind: Kind, offline: bool = False) -> str | None:
    """Return the commit of a revision (default: main), from the hub, or if offline from the local cache.

    None means that neither knows it.
    """
    if is_commit(revision):
        return revision
    if not is_offline(offline):
        current = _ask_hub(repository, revision, kind)
        if current is not None:
            return current
    reference = _cached(repository, kind) / "refs" / (revision or "main")
    cached = reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""
    return cached if is_commit(cached) else None


def cached_snapshot(repository: str, commit: str | None, kind: Kind = "model") -> Path | None:
    """Return the folder of a repository's files in the local cache at this commit; None if they are not there."""
    if not is_commit(commit):
        return None
    folder = _cached(repository, kind) / "snapshots" / str(commit)
    return folder if folder.is_dir() else None


def _cached(repository: str, kind: Kind) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"{kind}s--{repository.replace('/', '--')}"


def _ask_hub(repository: str, revision: str | None, kind: Kind) -> str | None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, HTTPError  # the HTTP library's own error, whichever it is

    try:
        sha = HfApi().repo_info(repository, repo_type=kind, revision=revision, timeout=10).sha
    except (HTTPError, HFValidationError, OSError):
        return None
    return sha if is_commit(sha) else None
