"""The profiler measures the loop's own step: what it counts is known by hand, and it leaves the step as it was."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from tests.trainables.runs import tiny_run
from trainables.config import RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.features import Features, Ragged
from trainables.tools.profile import (
    PHASES,
    Positions,
    Profile,
    matrix_product_rate,
    operations_per_token,
    phase_shares,
    positions,
    profile,
    run_profile,
    spaced,
    warmup_batches,
)
from trainables.training.distributed import ProcessGroup
from trainables.training.run import training_for
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache
from trainables.training.trainer import Training

CPU = torch.device("cpu")
WIDTH, LAYERS, INNER, LABELS = 32, 2, 64, 3  # of tests.tiny


def training_of(config: RunConfig) -> Training:
    """The training of a run, before its first step."""
    return training_for(config, prepare(config, CPU, RunCache()), ProcessGroup())


def loader(*lengths: int, padding: int | None = None) -> BatchLoader:
    """Features of these lengths."""
    rows = [np.ones(length, dtype=np.int32) for length in lengths]
    count = np.ones(len(lengths), dtype=np.int32)
    features = Features({"input_ids": Ragged.from_rows(rows, np.int32)}, {"input_ids": 0}, count, count)
    return BatchLoader(features, CPU, padding)


def test_padding_waste_is_the_share_of_computed_positions_without_a_piece() -> None:
    batches = [np.array([0, 1]), np.array([2, 3])]
    found = positions(loader(2, 4, 6, 6), batches)
    assert (found.computed, found.real, found.waste) == (20, 18, pytest.approx(0.1))
    assert positions(loader(4, 4, 4, 4), batches).waste == 0.0
    assert positions(loader(2, 4, 6, 6), batches, unpadded=True) == Positions(found.real, found.real)
    assert positions(loader(2, 4, 6, 6, padding=9), batches).waste == pytest.approx(0.5)


def test_operations_of_a_training_step_are_three_times_those_of_its_forward_pass(tmp_path: Path) -> None:
    training = training_of(tiny_run(tmp_path))
    longest = int(training.train.lengths.max())
    alike = np.flatnonzero(training.train.lengths == longest)[:2]
    layer = 4 * WIDTH**2 + 2 * WIDTH * INNER + 2 * longest * WIDTH
    by_hand = 3 * 2 * (LAYERS * layer + WIDTH * LABELS)
    assert operations_per_token(training, [alike]) == pytest.approx(by_hand)


def test_recomputation_is_no_work_that_a_model_needs(tmp_path: Path) -> None:
    training = training_of(tiny_run(tmp_path))
    training.model.train()
    batch = [training.batches()[0]]
    needed = operations_per_token(training, batch)
    for layer in training.model.bert.encoder.layer:  # type: ignore[union-attr]
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    assert operations_per_token(training, batch) == pytest.approx(needed)


def test_frozen_weights_need_less_work(tmp_path: Path) -> None:
    training = training_of(tiny_run(tmp_path))
    batch = [training.batches()[0]]
    needed = operations_per_token(training, batch)
    for parameter in training.model.base_model.parameters():  # type: ignore[operator, union-attr]
        parameter.requires_grad_(False)
    assert needed / 4 < operations_per_token(training, batch) < needed / 2


def test_spaced_batches_go_from_the_longest_to_the_shortest() -> None:
    lengths = np.array([5, 9, 1, 3, 7])
    batches = [np.array([place]) for place in range(5)]
    assert [int(batch[0]) for batch in spaced(batches, lengths, 3)] == [1, 0, 2]
    assert [int(batch[0]) for batch in spaced(batches, lengths, 7)] == [1, 4, 0, 3, 2, 1, 4]
    assert spaced(batches, lengths, 0) == []


def test_every_shape_comes_twice_before_the_measured_steps_where_few_are_meant_to_occur(tmp_path: Path) -> None:
    training = training_of(tiny_run(tmp_path, batch_size=4, count=28))
    batches = training.batches()
    assert [len(batch) for batch in batches] == [4, 4, 4, 4, 4, 1]
    assert len(warmup_batches(training, batches, 3)) == 3
    training.plan = training.plan.replace(width_multiple=64)
    training.train.widths[:] = 64
    found = warmup_batches(training, batches, 3)
    assert sorted(len(batch) for batch in found[:4]) == [1, 1, 4, 4]
    assert len(found) == 7


def test_timing_phases_leaves_the_step_as_it_was(tmp_path: Path) -> None:
    training = training_of(tiny_run(tmp_path))
    parallel, names = training.parallel, set(vars(training.optimizer_step))
    found = phase_shares(training, training.batches())
    assert found is not None
    assert set(found) == set(PHASES)
    assert sum(found.values()) == pytest.approx(1.0)
    assert all(share > 0 for share in found.values())
    assert training.parallel is parallel
    assert set(vars(training.optimizer_step)) == names


def test_a_step_that_never_calls_the_model_has_no_phases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_of(tiny_run(tmp_path))
    monkeypatch.setattr(training, "step", lambda batch: None)
    assert phase_shares(training, training.batches()) is None


def measure(folder: Path, monkeypatch: pytest.MonkeyPatch, recipe: str | None = None) -> Profile:
    """A profile of four steps, against a small matrix product."""
    monkeypatch.setitem(matrix_product_rate.__globals__["SIZES"], "cpu", 64)
    config = tiny_run(folder, batch_size=4, variants={} if recipe is None else {recipe: {}})
    return profile(config, 4, 2, CPU)[0]


def test_systems_are_measured_on_the_same_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, bucketed, padded = (
        measure(tmp_path, monkeypatch, name) for name in (None, "length_bucketing", "pad_to_max")
    )
    assert plain.steps == bucketed.steps == padded.steps == 4
    tokens = [found.tokens_per_second / found.samples_per_second for found in (plain, bucketed, padded)]
    assert tokens == pytest.approx([tokens[0]] * 3)
    assert bucketed.padding_waste < plain.padding_waste < padded.padding_waste
    assert padded.padding_waste == pytest.approx(1 - tokens[0] / 64)
    assert plain.step_seconds_p50 <= plain.step_seconds_p95
    assert plain.ceiling_operations_per_second > 0
    assert plain.peak_reserved_gib is None


def test_small_data_is_gone_through_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matrix_product_rate.__globals__["SIZES"], "cpu", 64)
    found, facts = profile(tiny_run(tmp_path, count=8), 3, 0, CPU)
    assert found.steps == 3  # six items are one batch
    assert facts["device"] == "cpu"
    assert facts["parameters"] == facts["trainable_parameters"]


def test_what_cannot_be_measured_is_a_result_with_its_reason(tmp_path: Path) -> None:
    config = json.loads(tiny_run(tmp_path).model_dump_json())
    config["model"]["source"] = str(tmp_path / "nothing")
    found = run_profile({"config": config, "steps": 1, "warmup": 0})
    assert found["result"] == "failed"
    assert "nothing" in found["reason"]
