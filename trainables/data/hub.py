"""Reads data sets of the Hugging Face Hub, at a commit; the library that loads them is imported only when needed."""

from __future__ import annotations

from typing import Any

from trainables.data.dataset import DataError, HubSource, Item, Reading
from trainables.data.how_read import Columns
from trainables.data.items import mapped
from trainables.system.hub_access import is_offline

_PARTS = {"train": "train", "validation": "validation", "dev": "validation", "valid": "validation", "test": "test"}


def read_hub(source: HubSource, revision: str | None, columns: Columns, offline: bool = False) -> Reading:
    """Read the items and official parts of a hub data set at a commit; the user's `columns` override the source's own.

    Class indices become class names. Raises DataError if the data set cannot be loaded.
    """
    splits = _loaded(source.id, revision, offline)
    items: list[Item] = []
    parts: dict[str, list[int]] = {}
    for split, rows in splits.items():
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
    """Return class indices as names; -1, a hidden label, stays a number, which the task refuses."""
    feature = getattr(feature, "feature", feature)
    names = getattr(feature, "names", None)
    if not names:
        return value
    if isinstance(value, list):
        return [_named(entry, feature) for entry in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
