"""The benchmarks of training run and measure what they say: here with tiny models, as a check that costs seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import fused_seeds, made_up, recipes, roofline, seed_trainers, stacked_lora
from tests.trainables.runs import tiny_run
from trainables.tools.profile import SIZES, run_profile

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "cpu", 64)


def test_the_least_time_of_an_operation_is_that_of_its_slower_half() -> None:
    limits = roofline.Ceilings(100.0, {10.0: 5.0, 1000.0: 2.0})
    assert limits.seconds(1000.0, 10.0) == 10.0  # 10 s of arithmetic, 2 s of memory
    assert limits.seconds(100.0, 20.0) == 10.0  # 1 s of arithmetic, 20 bytes at 2 a second
    assert limits.seconds(0.0, 5000.0) == 2500.0


def test_an_account_counts_operations_and_bytes_and_no_views() -> None:
    account = roofline.Account(roofline.Ceilings(1.0, {1.0: 1.0}))
    left, right = torch.ones(3, 4), torch.ones(4, 5)
    with account:
        left @ right.view(4, 5)
    assert account.operations == 2 * 3 * 4 * 5
    assert account.bytes == 4 * (12 + 20 + 15)
    assert account.seconds == 4 * (12 + 20 + 15)


def test_lanes_add_up_and_shares_are_of_the_best_ceiling_that_any_round_saw() -> None:
    theirs = {"samples_per_second": 10.0, "tokens_per_second": 100.0, "ceiling": 8000.0}
    lane = {
        "samples_per_second": 15.0,
        "tokens_per_second": 150.0,
        "operations_per_token": 10.0,
        "ceiling": 3000.0,
        "least_seconds_per_token": 0.004,
    }
    disturbed = {**lane, "ceiling": 1000.0, "least_seconds_per_token": 0.1, "tokens_per_second": 75.0}
    first, second = recipes.compared(
        [{"peer": theirs, "ours": [lane, lane]}, {"peer": {**theirs, "ceiling": 1.0}, "ours": [disturbed, disturbed]}]
    )
    assert first == {"ratio": 3.0, "peer_share": 0.125, "our_share": 0.5, "our_share_of_roofline": pytest.approx(0.6)}
    assert second == {**first, "our_share": 0.25, "our_share_of_roofline": pytest.approx(0.3)}


def test_both_sides_train_on_the_same_items_and_are_scored_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofline, "MEGABYTES", (0.25,))
    config = tiny_run(tmp_path, epochs=2)
    theirs, ours = recipes.peer(config), recipes.ours(config)
    tokens = [found["tokens_per_second"] / found["samples_per_second"] for found in (theirs, ours)]
    assert tokens[0] == pytest.approx(tokens[1])
    assert theirs["validation_loss"] == pytest.approx(ours["validation_loss"], rel=0.5)
    assert 0 < recipes.compared([{"peer": theirs, "ours": [ours]}])[0]["our_share"] < 1


@pytest.mark.parametrize("study", made_up.STUDIES, ids=lambda study: str(study.name))
def test_models_of_the_gpu_benchmark_train_on_made_up_text(study: made_up.Study, tmp_path: Path) -> None:
    config = made_up.configuration(study, tmp_path, tiny=True)
    found = run_profile({"config": json.loads(config.model_dump_json()), "steps": 1, "warmup": 0})
    assert found["result"] == "measured", found
    assert found["tokens_per_second"] > 0


def test_models_in_one_batch_have_the_losses_that_each_has_alone() -> None:
    found = seed_trainers.differences_of_losses(seed_trainers.SIZES["tiny"], CPU)
    assert set(found) == {"dropout 0.0", "dropout 0.1"}
    assert max(found.values()) < 1e-4


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # peft asks for it
def test_adapters_over_one_body_have_the_losses_that_each_has_alone() -> None:
    assert stacked_lora.largest_difference(seed_trainers.SIZES["tiny"], CPU) < 1e-4


def test_with_same_widths_every_item_of_an_epoch_comes_once_and_the_seeds_meet_like_lengths() -> None:
    lengths = np.array([len(item) for item in seed_trainers.sentences(100)])
    steps = len(lengths) // seed_trainers.BATCH_SIZE
    padding = {}
    for order in seed_trainers.ORDERS:
        found = seed_trainers.orders(lengths, (1, 2), order, steps)
        for seed in (0, 1):
            assert sorted(np.concatenate([step[seed] for step in found])) == list(range(len(lengths)))
        assert not np.array_equal(found[0][0], found[0][1])
        computed = sum(max(lengths[own].max() for own in step) * 2 * seed_trainers.BATCH_SIZE for step in found)
        padding[order] = computed / (2 * lengths.sum())
    assert 1 < padding["same widths"] < 1.1 < padding["own order"]


def test_sides_add_up_their_processes_and_are_told_as_multiples_of_training_one_after_another() -> None:
    facts = {"precision": "fp32", "padding": 1.0, "memory_gib": 1.0, "samples_per_processor_second": 5.0}
    speeds = {"one after another": (10.0, 20.0), "2 fused, own order": (30.0, 10.0)}
    found = [
        {**facts, "side": side, "samples_per_second": speed}
        for number in (0, 1)
        for side, speed in ((side, both[number]) for side, both in speeds.items())
    ]
    first, second = fused_seeds.table(found)
    assert (first["samples/s"], first["of one after another"]) == ("15.0 (10.0 to 20.0)", "1.00")
    assert (second["samples/s"], second["of one after another"]) == ("20.0 (10.0 to 30.0)", "1.75")
