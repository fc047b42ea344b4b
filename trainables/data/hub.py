"""Data sets of the Hugging Face Hub, pinned to a commit; everything heavy is imported when it is needed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from trainables.data.dataset import DataError, HubSource, Item, Reading
from trainables.data.fields import Columns, mapped

Kind = Literal["dataset", "model"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PARTS = {"train": "train", "validation": "validation", "dev": "validation", "valid": "validation", "test": "test"}


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


def read_hub(source: HubSource, revision: str | None, columns: Columns, offline: bool = False) -> Reading:
    """Items and official parts of a hub data set at a commit; the user's `columns` come before the source's own.

    Class indices become their names. Raises DataError where it cannot be had.
    """
    found = _loaded(source.id, revision, offline)
    items: list[Item] = []
    parts: dict[str, list[int]] = {}
    for split, rows in found.items():
        if source.splits is not None and str(split) not in source.splits:
            continue
        start = len(items)
        fields = {**source.columns, **columns}
        items += [source.item(_item(row, split, number, fields, rows.features)) for number, row in enumerate(rows)]
        part = _PARTS.get(str(split))
        if part is not None:
            parts.setdefault(part, []).extend(range(start, len(items)))
    return Reading(items, parts if {"train", "validation"} <= set(parts) or {"train", "test"} <= set(parts) else None)


def _loaded(hub: str, revision: str | None, offline: bool) -> Any:
    import datasets

    repository, _, configuration = hub.partition(":")
    datasets.disable_progress_bars()
    download = datasets.DownloadConfig(local_files_only=is_offline(offline))
    try:
        return datasets.load_dataset(repository, configuration or None, revision=revision, download_config=download)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"data.hub: {hub}: cannot be loaded: {error}") from error


def _item(row: dict[str, Any], split: Any, number: int, columns: Columns, features: Any) -> Item:
    named = {name: _named(value, features.get(name)) for name, value in row.items()}
    try:
        named |= mapped(named, columns)
    except ValueError as error:
        raise DataError(f"data.columns: {error} ({split}, row {number})") from error
    identity = named.get("id")
    return {**named, "id": f"{split}/{number if identity in (None, '') else identity}"}


def _named(value: Any, feature: Any) -> Any:
    """Class indices as names; -1, a hidden label, stays a number and is refused by the task."""
    feature = getattr(feature, "feature", feature)
    names = getattr(feature, "names", None)
    if not names:
        return value
    if isinstance(value, list):
        return [_named(entry, feature) for entry in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
