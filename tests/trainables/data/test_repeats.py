"""Evaluation items that repeat each other are one cluster, with whatever they share a cluster with."""

from __future__ import annotations

import pandas as pd

from trainables.data.repeats import with_repeats_joined

TEXTS = ["good", "bad  film", "bad film", "fine", "good", "odd"]
ITEMS = [{"id": number, "text": text, "label": "yes"} for number, text in enumerate(TEXTS)]


def clusters_of(given: list[str | None], items: list[dict[str, object]] = ITEMS) -> list[str | None]:
    table = pd.DataFrame({"item": [str(item["id"]) for item in items], "cluster": pd.Series(given, dtype=object)})
    joined = with_repeats_joined(table, items, ("text", "label"), ("label",))
    return [name if isinstance(name, str) else None for name in joined["cluster"]]


def test_items_of_equal_content_become_a_cluster_and_the_others_stay_alone() -> None:
    assert clusters_of([None] * 6) == ["repeats of 0", "repeats of 1", "repeats of 1", None, "repeats of 0", None]


def test_their_clusters_are_joined_whole() -> None:
    """Items 0 and 4 are equal, so clusters a and b are one; item 1 of cluster c repeats item 2, which has none."""
    assert clusters_of(["a", "c", None, "b", "b", "d"]) == ["a", "c", "c", "a", "a", "d"]


def test_nothing_changes_without_repeats() -> None:
    table = pd.DataFrame({"item": ["3", "5"], "cluster": [None, "x"]})
    assert with_repeats_joined(table, ITEMS, ("text", "label"), ("label",)) is table


def test_every_entry_of_an_item_gets_its_cluster() -> None:
    table = pd.DataFrame({"item": ["0", "0", "4", "3"], "position": [0, 1, 0, 0], "cluster": None})
    joined = with_repeats_joined(table, ITEMS, ("text", "label"), ("label",))
    assert joined["cluster"].tolist()[:3] == ["repeats of 0"] * 3
    assert pd.isna(joined["cluster"][3])


def test_an_item_of_a_part_that_is_not_evaluated_joins_nothing() -> None:
    assert clusters_of([None, None], [ITEMS[0], ITEMS[1]]) == [None, None]
