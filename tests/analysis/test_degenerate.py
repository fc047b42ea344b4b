"""Inputs at the edge: each gets its sentence, and never a NaN, a traceback or a verdict that is not earned."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.analyze import Analysis, analyze
from tests.analysis.frames import Scores, csv

NOISE = [0.011, -0.004, 0.007, 0.002, -0.009, 0.005, -0.001, 0.003]
HOSTILE = ("<script>alert(1)</script>", "=cmd|' /C calc'!A0", "line\nbreak", "emoji \N{GRINNING FACE}", "Δ/é,\"'", " ")


def around(mean: float, n: int, turn: int = 0) -> list[float]:
    return [mean + NOISE[(k + turn) % len(NOISE)] for k in range(n)]


CASES: dict[str, tuple[Scores, str, Sequence[str]]] = {
    "one seed": ({"x": [0.8], "y": [0.7]}, "only 1 seed in common: descriptive only", ["undecidable"]),
    "two seeds": ({"x": [0.8, 0.9], "y": [0.7, 0.6]}, "only 2 seeds in common: descriptive only", ["undecidable"]),
    "identical scores": ({"x": around(0.8, 8), "y": around(0.8, 8)}, "deterministic: difference = 0", ["undecidable"]),
    "constant difference": (
        {"x": around(0.8, 8), "y": around(0.7, 8)},
        "x is better than y by 0.1 (95% interval 0.1 to 0.1, Holm p 0.00781)",
        ["better"],
    ),
    "no spread at all": ({"x": [0.8] * 8, "y": [0.8] * 8}, "seed has no effect", ["undecidable"]),
    "missing seeds": ({"x": around(0.8, 8), "y": [0.7, None, None]}, "failure rates differ", ["undecidable"]),
    "all diverged": ({"x": [None] * 8, "y": [None] * 8}, "no run has a score", ["undecidable"]),
    "one system": ({"x": around(0.8, 8)}, "nothing to compare", []),
    "one system without a score": ({"x": [None, None]}, "no run has a score", []),
    "ties everywhere": (
        {"x": [0.8, 0.7] * 4, "y": [0.7, 0.8] * 4, "z": [0.8, 0.7] * 4},
        "deterministic",
        ["inconclusive", "undecidable"],
    ),
    "infinite scores": (
        {"x": [float("inf"), *around(0.8, 7)], "y": around(0.7, 8, 3)},
        "counts as none: x seed 42",
        ["inconclusive"],
    ),
    "nearly equal": ({"x": around(0.8, 8), "y": [s + 1e-15 for s in around(0.8, 8)]}, "deterministic", ["undecidable"]),
    "huge": (
        {"x": [1e300, *around(0.8, 7)], "y": around(0.7, 8, 3)},
        "1 of 16 runs has no score and counts as a failure",
        ["inconclusive"],
    ),
    "large": ({"x": [1e90 * (1 + n) for n in NOISE], "y": around(0.7, 8)}, "x is better than y", ["better"]),
    "tiny": ({"x": [1e-300 * (1 + n) for n in NOISE], "y": [0.0] * 8}, "deterministic", ["undecidable"]),
}


@pytest.mark.parametrize("name", CASES)
def test_degenerate_scores_get_their_sentence(tmp_path: Path, name: str) -> None:
    scores, sentence, verdicts = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = analyze([csv(tmp_path / "x.csv", scores)])
    document = json.dumps(found.to_json(), allow_nan=False)
    assert sentence in " ".join([found.headline, *found.comparisons["reason"].astype(str), *found.warnings])
    assert set(found.comparisons["verdict"]) <= set(verdicts)
    assert "nan" not in " ".join([found.headline, found.claim, *found.warnings]).lower().split()
    assert document


def test_hostile_names_change_nothing_but_the_names(tmp_path: Path) -> None:
    plain = {f"system {k}": around(0.8 - 0.02 * k, 8, k) for k in range(len(HOSTILE))}
    hostile = dict(zip(HOSTILE, plain.values(), strict=True))
    first, second = (analyze([_parquet(tmp_path / f"{k}.parquet", s)]) for k, s in enumerate((plain, hostile)))
    assert _numbers(first) == _numbers(second)
    assert set(second.systems["system"]) == set(HOSTILE)


def _parquet(path: Path, scores: Scores) -> Path:
    cells: list[dict[str, Any]] = [
        {"system": system, "seed": seed, "score": score}
        for system, own in scores.items()
        for seed, score in enumerate(own)
    ]
    pd.DataFrame(cells).to_parquet(path)
    return path


def _numbers(found: Analysis) -> list[Any]:
    return found.comparisons[["mean_diff", "p", "primary_p_holm", "verdict"]].round(12).astype(str).to_numpy().tolist()
