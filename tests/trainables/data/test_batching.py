"""Batches hold every feature once, whatever the order, the ranks and the micro-batches."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.data.batching import (
    bucketed_batches,
    evaluation_batches,
    micro_batches,
    padding_waste,
    shard,
    shuffled_batches,
)

LENGTHS = np.random.default_rng(0).integers(4, 129, size=1003)


def test_bucketed_batches_hold_every_feature_exactly_once() -> None:
    batches = bucketed_batches(LENGTHS, 8, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert max(len(batch) for batch in batches) == 8


def test_shuffled_batches_hold_every_feature_exactly_once() -> None:
    batches = shuffled_batches(1003, 8, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(1003))


def test_bucketing_pads_far_less_than_random_order() -> None:
    order = np.random.default_rng(2)
    bucketed = padding_waste(bucketed_batches(LENGTHS, 8, order), LENGTHS)
    random = padding_waste(shuffled_batches(1003, 8, order), LENGTHS)
    assert bucketed < 1.05
    assert random > 1.5


def test_bucketed_batches_come_in_random_order_of_length() -> None:
    batches = bucketed_batches(LENGTHS, 8, np.random.default_rng(3))
    longest = [int(LENGTHS[batch].max()) for batch in batches]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.3


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
def test_shards_are_a_partition_of_the_global_batch(world_size: int) -> None:
    batch = np.arange(5, 10)
    shards = [shard(batch, rank, world_size) for rank in range(world_size)]
    assert sorted(np.concatenate(shards)) == list(batch)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_short_last_batch_leaves_ranks_without_items() -> None:
    assert [len(shard(np.array([7]), rank, 3)) for rank in range(3)] == [1, 0, 0]


def test_micro_batches_leave_out_empty_parts() -> None:
    assert [list(part) for part in micro_batches(np.array([3, 1]), 4)] == [[3], [1]]
    assert micro_batches(np.array([], dtype=np.int64), 2) == []


def test_evaluation_batches_stay_below_the_token_budget() -> None:
    batches = evaluation_batches(LENGTHS, 1024)
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert all(LENGTHS[batch].max() * len(batch) <= 1024 for batch in batches)


def test_a_feature_longer_than_the_budget_gets_a_batch_of_its_own() -> None:
    assert [list(batch) for batch in evaluation_batches(np.array([10, 300]), 100)] == [[1], [0]]
