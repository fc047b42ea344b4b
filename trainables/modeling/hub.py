"""Downloads models of the Hugging Face Hub once per node, and says how to get access to gated ones."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trainables.system.disk_cache import cache_folder, node_lock, text_sha256
from trainables.system.hub_access import is_offline

TOKEN = "HF_TOKEN"
_SETTINGS = (".json", ".txt", ".model", ".py", ".jinja")
_PICKLES = ("pytorch_model",)

Download = Callable[[str, str | None, Sequence[str]], None]


class ModelError(ValueError):
    """A model or tokenizer that cannot be used; the message says which, why, and what to do."""


def prefetch(source: str, revision: str | None, download: Download | None = None) -> None:
    """Download a hub model's files into the local cache; the processes of a node take turns, so only one downloads.

    Do nothing for a folder or offline. If the hub cannot be reached, loading looks into the cache and reports what is
    missing. Raises the hub library's OSErrors for files that it refuses.
    """
    if Path(source).is_absolute() or is_offline():
        return
    _once(source, revision, download or _download)


@functools.lru_cache(maxsize=64)
def _once(source: str, revision: str | None, download: Download) -> None:
    files = _files(source, revision)
    if files is not None:
        with node_lock(cache_folder() / "downloads" / f"{text_sha256(f'{source}@{revision}')[:32]}.lock"):
            download(source, revision, wanted(files))


def wanted(files: Sequence[str]) -> list[str]:
    """Pick settings, tokenizer and weights from a repository's files: safetensors, or pickles if there is nothing else.

    Files in subfolders hold the same weights in other formats (ONNX, the publisher's own).
    """
    top = [name for name in files if "/" not in name]
    weights = [name for name in top if name.endswith(".safetensors")]
    if not weights:
        weights = [name for name in top if name.startswith(_PICKLES) and name.endswith(".bin")]
    return sorted({name for name in top if name.endswith(_SETTINGS)} | set(weights))


def access_hint(error: BaseException, source: str) -> str:
    """Return what to do about a gated, private or misspelled model; an empty text for other errors."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    chain = list(_causes(error))
    if any(isinstance(cause, GatedRepoError) for cause in chain):
        state = "is set, but its account has no access yet" if os.environ.get(TOKEN) else "is not set"
        return (
            f"; it is gated: accept its licence at https://huggingface.co/{source} and set {TOKEN} in the environment "
            f"of every node ({TOKEN} {state})"
        )
    if any(isinstance(cause, RepositoryNotFoundError) for cause in chain):
        return f"; the id may be misspelled; if the model is private, set {TOKEN} in the environment of every node"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _files(source: str, revision: str | None) -> list[str] | None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    try:
        siblings = HfApi().model_info(source, revision=revision, timeout=10).siblings
    except (HTTPError, OSError):
        return None
    return [entry.rfilename for entry in siblings or ()]


def _download(source: str, revision: str | None, files: Sequence[str]) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(source, revision=revision, allow_patterns=list(files))
