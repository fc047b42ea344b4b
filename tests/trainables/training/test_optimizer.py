"""What decays, what is clipped, and what an overflow does to a step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.config import TrainConfig
from trainables.training.optimizer import MAX_SKIPS_IN_A_ROW, OptimizerStep, decay_groups

CPU = torch.device("cpu")


def test_matrices_decay_and_biases_and_norms_do_not() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    decaying, plain = decay_groups(model, 0.1)
    assert (decaying["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert [tuple(weight.shape) for weight in decaying["params"]] == [(2, 3)]  # type: ignore[attr-defined]
    assert len(plain["params"]) == 3  # type: ignore[arg-type]


def test_a_model_without_trainable_weights_is_refused() -> None:
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter trains"):
        decay_groups(model, 0.0)


def test_the_gradient_is_clipped_to_the_limit_and_the_norm_before_is_returned() -> None:
    model = nn.Linear(1, 1, bias=False)
    optimizer_step = OptimizerStep.create(model, TrainConfig(clip=1.0), "fp32", CPU)
    optimizer_step.backward(model(torch.tensor([[30.0]])).sum())
    norm, applied = optimizer_step.step(1e-3)
    assert float(norm) == pytest.approx(30.0)
    assert applied


def test_an_overflow_skips_the_step_and_twenty_in_a_row_give_up() -> None:
    model = nn.Linear(1, 1, bias=False)
    optimizer_step = OptimizerStep.create(model, TrainConfig(), "fp16", CPU)
    before = model.weight.detach().clone()
    for _ in range(MAX_SKIPS_IN_A_ROW):
        assert not optimizer_step.gave_up
        optimizer_step.backward(model(torch.tensor([[float("inf")]])).sum())
        _, applied = optimizer_step.step(1e-3)
        assert not applied
    assert optimizer_step.gave_up
    assert optimizer_step.skipped == MAX_SKIPS_IN_A_ROW
    assert torch.equal(model.weight, before)


def test_a_good_step_ends_a_row_of_skips() -> None:
    model = nn.Linear(1, 1, bias=False)
    optimizer_step = OptimizerStep.create(model, TrainConfig(), "fp16", CPU)
    for value in (float("inf"), 1.0):
        optimizer_step.backward(model(torch.tensor([[value]])).sum())
        optimizer_step.step(1e-3)
    assert (optimizer_step.skipped, optimizer_step.skipped_in_a_row) == (1, 0)
