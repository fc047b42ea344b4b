"""Masks from 16 bits: the probability asked for, the generator's own stream, and torch's operation back afterwards."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import dropout

from trainables.system.fast_dropout import draw_, quick_masks

CPU = torch.device("cpu")


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool])
def test_ones_come_as_often_as_asked(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    drawn = draw_(torch.empty(300, 333, dtype=dtype), p).float()
    assert set(drawn.unique().tolist()) <= {0.0, 1.0}
    assert drawn.mean().item() == pytest.approx(p, abs=4 * 0.5 / drawn.numel() ** 0.5)


def test_neighbours_are_independent() -> None:
    torch.manual_seed(2)
    drawn = draw_(torch.empty(400_000), 0.5)
    for lag in (1, 2, 3, 4, 5, 8):
        agreement = (drawn[lag:] == drawn[:-lag]).float().mean().item()
        assert agreement == pytest.approx(0.5, abs=0.004)


def test_dropout_inside_the_context_is_dropout_with_a_gradient_to_match() -> None:
    values = torch.ones(200, 500, requires_grad=True)
    with quick_masks(CPU):
        torch.manual_seed(3)
        first = dropout(values, 0.1)
        torch.manual_seed(3)
        again = dropout(values, 0.1)
    assert torch.equal(first, again)
    assert (first == 0).float().mean().item() == pytest.approx(0.1, abs=0.005)
    assert first.mean().item() == pytest.approx(1.0, abs=0.005)
    first.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad == 0, first == 0)


def test_afterwards_torch_draws_as_before_even_when_the_run_raised() -> None:
    torch.manual_seed(4)
    before = torch.empty(64).bernoulli_(0.3)
    with pytest.raises(ArithmeticError):
        _draw_and_raise()
    torch.manual_seed(4)
    assert torch.equal(torch.empty(64).bernoulli_(0.3), before)


def _draw_and_raise() -> None:
    with quick_masks(CPU):
        torch.empty(64).bernoulli_(0.3)
        raise ArithmeticError
