"""Seeds can be written in several ways, and every wrong way has a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.experiment import parse_seeds, render_seeds


@pytest.mark.parametrize(
    ("written", "seeds"),
    [
        ("42-51", tuple(range(42, 52))),
        ("1,2,5-7", (1, 2, 5, 6, 7)),
        (" 3 - 4 , 9 ", (3, 4, 9)),
        ([7, 3], (7, 3)),
        (5, (5,)),
        ("0", (0,)),
    ],
)
def test_the_ways_to_write_seeds(written: object, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(written) == seeds


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([], "is empty"),
        ("", "is empty"),
        (-1, "must be at least 0, got -1"),
        ([1, -2], "must be at least 0, got -2"),
        (True, "must be whole numbers, got true"),
        ([1, True], "must be whole numbers, got true"),
        (1.5, "must be whole numbers, got 1.5"),
        (None, "must be whole numbers, got None"),
        ("1-3,2", "names 2 more than once"),
        ([4, 4], "names 4 more than once"),
        ("5-3", "runs backwards"),
        ("-1", "must be whole numbers >= 0"),
        ("a", "must be whole numbers >= 0"),
        ("1-999999999", "more than 100000 seeds"),
        (",".join(f"{start}-{start + 99_999}" for start in range(0, 4_000_000_000, 100_000)), "more than 100000 seeds"),
        (list(range(100_001)), "more than 100000 seeds"),
        ([*range(50_000), 7], "names 7 more than once"),
        ("1..10", r"got '1\.\.10'; write 1-10"),
        ("1:10", "got '1:10'; write 1-10"),
        (2**32, "must be at most 4294967295"),
    ],
)
def test_the_ways_not_to_write_seeds(written: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_seeds(written)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=20, unique=True))
def test_the_short_form_is_read_back_the_same(seeds: list[int]) -> None:
    assert parse_seeds(render_seeds(seeds)) == tuple(seeds)
