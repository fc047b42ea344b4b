"""Reads the ways to write seeds: `7`, `[1, 2]`, `42-51` or `1,2,5-7`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MAXIMUM_SEED = 2**32 - 1
MAXIMUM_SEEDS = 100_000
_RANGE = re.compile(r"([0-9]+)\s*-\s*([0-9]+)")


def parse_seeds(written: object) -> tuple[int, ...]:
    """The seeds in the order they were written. Raises ValueError for anything but distinct whole numbers >= 0."""
    if isinstance(written, str):
        seeds = _from_text(written)
    elif isinstance(written, Sequence):
        seeds = [_whole(value) for value in written]
    else:
        seeds = [_whole(written)]
    if not seeds:
        raise ValueError("is empty; write at least one seed, e.g. 42-51")
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1}) if len(set(seeds)) < len(seeds) else []
    if twice:
        raise ValueError(f"names {twice[0]} more than once; every seed is one run")
    if max(seeds) > MAXIMUM_SEED:
        raise ValueError(f"must be at most {MAXIMUM_SEED}, got {max(seeds)}")
    return tuple(seeds)


def render_seeds(seeds: Iterable[int]) -> str:
    """The short form: `42-51`, `1-2,7`; an unordered list keeps its order, number by number."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _from_text(text: str) -> list[int]:
    seeds: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        seeds += _part(part)
    return seeds


def _part(part: str) -> Iterable[int]:
    if re.fullmatch(r"[0-9]{1,10}", part):
        return [int(part)]
    match = _RANGE.fullmatch(part)
    if match is None:
        raise ValueError(f"must be whole numbers >= 0 and ranges such as 42-51, got {part[:40]!r}")
    first, last = int(match[1][:20]), int(match[2][:20])
    if last < first:
        raise ValueError(f"has a range that runs backwards: {part[:40]}")
    if last - first >= MAXIMUM_SEEDS:
        raise ValueError(f"has more than {MAXIMUM_SEEDS} seeds in one range: {part[:40]}")
    return range(first, last + 1)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        shown = str(value).lower() if isinstance(value, bool) else f"{value!r:.40}"
        raise ValueError(f"must be whole numbers, got {shown}")
    if value < 0:
        raise ValueError(f"must be at least 0, got {value}")
    return value
