"""Probes: a few steps at full length say whether a setting stays finite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.runs import tiny_run
from trainables.data.features import Features, Ragged
from trainables.tools.probe import probe, stretched
from trainables.training.token_cache import RunCache

CPU = torch.device("cpu")


def test_short_items_are_repeated_until_they_are_as_long_as_asked_for() -> None:
    offsets = np.array([0, 2, 5])
    features = Features(
        columns={
            "input_ids": Ragged(np.array([1, 2, 3, 4, 5]), offsets),
            "label": Ragged(np.array([7, 8]), np.arange(3)),
        },
        padding={"input_ids": 0, "label": 0},
        item=np.arange(2, dtype=np.int32),
        terms=np.ones(2, dtype=np.int32),
        fixed=frozenset({"label"}),
    )
    assert stretched(features, 4, targets=["label"]).terms.tolist() == [1, 1]
    assert stretched(features, 4, targets=["input_ids"]).terms.tolist() == [2, 2]
    found = stretched(features, 4, targets=[])
    assert [found.columns["input_ids"].row(row).tolist() for row in range(2)] == [[1, 2, 1, 2], [3, 4, 5, 3]]
    assert found.columns["label"].values.tolist() == [7, 8]


@pytest.mark.parametrize(
    ("change", "length", "result"),
    [({}, 96, "finite"), ({"learning_rate": 1e30, "clip": None}, 16, "not finite"), ({}, 200, "failed")],
)
def test_a_probe_says_how_some_steps_went(tmp_path: Path, change: dict[str, float], length: int, result: str) -> None:
    found = probe(tiny_run(tmp_path, **change), length, "fp32", 3, CPU, RunCache())
    assert found.result == result
    assert (found.reason is None) == (result == "finite")
    assert (found.step_seconds is not None) == (result == "finite")
