"""Says which items belong together (the questions on one article, the sentences of one document), by their cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np

from trainables.data.dataset import Item
from trainables.data.stratification import Indices


def cluster_of(item: Item, fields: Collection[str] = ()) -> str | None:
    """Return what an item shares with others: its `cluster`; None if it stands alone.

    For a task with a `context` among its `fields`, items without a cluster share their article (`title`), or else
    their context, of which a hash is returned.
    """
    if not _is_blank(item.get("cluster")):
        return str(item["cluster"])
    if "context" not in fields:
        return None
    if not _is_blank(item.get("title")):
        return str(item["title"])
    return hashlib.sha256(str(item.get("context")).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def cluster_numbers(items: Sequence[Item], fields: Collection[str]) -> Indices:
    """Number the cluster of each item from 0 in the order of items; an item that stands alone has its own, [N]."""
    numbers: dict[object, int] = {}
    names = ((cluster_of(item, fields), index) for index, item in enumerate(items))
    keys = (index if name is None else name for name, index in names)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def shared_clusters(items: Sequence[Item], fields: Collection[str]) -> Indices | None:
    """Return the same numbers, or None if no two items share a cluster."""
    numbers = cluster_numbers(items, fields)
    return None if int(numbers.max(initial=-1)) + 1 == len(numbers) else numbers


def without_blank_clusters(items: Sequence[Item]) -> list[Item]:
    """Return the items, of which those with a blank `cluster` (an empty cell, for example) have none."""
    return [
        {name: value for name, value in item.items() if name != "cluster"}
        if "cluster" in item and _is_blank(item["cluster"])
        else item
        for item in items
    ]


def _is_blank(value: object) -> bool:
    return value is None or not str(value).strip()
