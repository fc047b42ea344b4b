"""Learning rates by hand, and that skipped steps do not move them."""

from __future__ import annotations

import pytest

from trainables.config import Schedule, TrainConfig
from trainables.training.optimizer import LearningRate, factor, warmup_steps


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("linear", 0, 0.0),
        ("linear", 1, 0.5),
        ("linear", 2, 1.0),
        ("linear", 6, 0.5),
        ("linear", 10, 0.0),
        ("constant", 9, 1.0),
        ("cosine", 6, 0.5),
        ("cosine", 10, 0.0),
        ("plateau", 9, 1.0),
    ],
)
def test_factors_by_hand(schedule: Schedule, step: int, expected: float) -> None:
    assert factor(schedule, step, total=10, warmup=2) == pytest.approx(expected)


def test_the_linear_schedule_is_the_one_of_transformers() -> None:
    import torch
    from transformers import get_linear_schedule_with_warmup

    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    reference = get_linear_schedule_with_warmup(optimizer, 3, 17)
    for step in range(17):
        assert factor("linear", step, 17, 3) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


def test_warmup_is_a_share_below_one_and_a_count_from_one() -> None:
    assert warmup_steps(0.06, 1000) == 60
    assert warmup_steps(0.06, 10) == 1
    assert warmup_steps(5, 1000) == 5


def test_a_skipped_step_does_not_move_the_schedule() -> None:
    rate = LearningRate(TrainConfig(learning_rate=1.0), total=10)
    rate.applied += False
    assert rate.now() == 1.0
    rate.applied += True
    assert rate.now() == pytest.approx(0.9)


def test_plateau_reduces_after_its_patience_and_survives_a_restart() -> None:
    config = TrainConfig(learning_rate=1.0, schedule="plateau", plateau_factor=0.5, plateau_patience=1)
    rate = LearningRate(config, total=10)
    for score in (0.5, 0.4):
        rate.epoch_ended(score)
    resumed = LearningRate(config, total=10)
    resumed.restore(rate.state())
    assert resumed.now() == 1.0
    resumed.epoch_ended(0.5)
    assert resumed.now() == 0.5
