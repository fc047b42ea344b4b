"""Ragged rows and features keep every row whole, whatever is taken from them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainables.data.features import Features, Ragged

ROWS = st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=8)


def test_rows_lie_between_offsets() -> None:
    ragged = Ragged.from_rows([[1, 2], [], [3]], np.int32)
    assert ragged.values.tolist() == [1, 2, 3]
    assert ragged.offsets.tolist() == [0, 2, 2, 3]
    assert ragged.lengths.tolist() == [2, 0, 1]
    assert ragged.row(2).tolist() == [3]
    assert len(ragged) == 3


@given(rows=ROWS, data=st.data())
def test_taking_rows_is_taking_them_one_by_one(rows: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))
    taken = Ragged.from_rows(rows, np.int64).take(chosen)
    assert [taken.row(place).tolist() for place in range(len(taken))] == [rows[index] for index in chosen]


def test_features_are_found_by_item_and_taken_with_everything_they_hold() -> None:
    ids = Ragged.from_rows([[5, 6], [7], [8, 9]], np.int32)
    features = Features(
        {"input_ids": ids}, {"input_ids": 0}, np.array([0, 1, 1], np.int32), np.array([2, 1, 2], np.int32)
    )
    assert features.of_items([1]).tolist() == [1, 2]
    taken = features.take([2, 0])
    assert taken.item.tolist() == [1, 0]
    assert taken.terms.tolist() == [2, 2]
    assert taken.columns["input_ids"].values.tolist() == [8, 9, 5, 6]
    assert taken.lengths.tolist() == [2, 2]
