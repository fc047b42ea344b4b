"""Whether the Hugging Face Hub may be asked, and the commit a revision of a data set or model stands for.

What is heavy is imported when it is needed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

Kind = Literal["dataset", "model"]

_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_commit(revision: str | None) -> bool:
    """Whether a revision names one content for ever: a full commit hash, not a branch or tag."""
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def is_offline(asked: bool = False) -> bool:
    """Whether the hub must not be asked: the caller says so, or `HF_HUB_OFFLINE` does."""
    return asked or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def commit(repository: str, revision: str | None, kind: Kind, offline: bool = False) -> str | None:
    """The commit a revision (default: main) stands for, from the hub, or offline from the local cache.

    None where neither knows it.
    """
    if is_commit(revision):
        return revision
    if not is_offline(offline):
        asked = _asked(repository, revision, kind)
        if asked is not None:
            return asked
    from huggingface_hub import constants

    folder = f"{kind}s--{repository.replace('/', '--')}"
    reference = Path(constants.HF_HUB_CACHE) / folder / "refs" / (revision or "main")
    found = reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""
    return found if is_commit(found) else None


def _asked(repository: str, revision: str | None, kind: Kind) -> str | None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, HTTPError  # the HTTP library's own error, whichever it is

    try:
        sha = HfApi().repo_info(repository, repo_type=kind, revision=revision, timeout=10).sha
    except (HTTPError, HFValidationError, OSError):
        return None
    return sha if is_commit(sha) else None
