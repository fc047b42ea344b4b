"""Kernels are tried on the inputs that they have failed on, and the one that fails is named."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.tiny import tiny_model
from trainables.config import ModelConfig, Precision
from trainables.tools.kernel_probe import (
    DROPOUT,
    Fault,
    Inputs,
    KernelTrial,
    attempt,
    fault,
    head_size,
    head_sizes,
    reference,
    run_all,
    trials,
)

CPU = torch.device("cpu")
OVERFLOWS = -88.72  # ln of the largest float32
LENGTHS = (64, 128, 192, 256, 320)


@contextmanager
def broken_as_cudnn() -> Iterator[None]:
    """The CPU's flash kernel, right but where cuDNN's backward pass failed (pytorch issue 196678)."""

    def backward(
        gradient: torch.Tensor,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        output: torch.Tensor,
        logsumexp: torch.Tensor,
        dropout: float,
        causal: bool,
        *,
        attn_mask: torch.Tensor | None = None,
        scale: float | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        factor = query.shape[-1] ** -0.5
        scores = query @ key.mT * factor + (0 if attn_mask is None else attn_mask)
        weights = (scores - scores.logsumexp(-1, keepdim=True)).exp()
        of_scores = weights * (gradient @ value.mT - (gradient * output).sum(-1, keepdim=True)) * factor
        of_query = of_scores @ key
        if attn_mask is not None and query.shape[-2] % 128 == 64 and bool(scores.logsumexp(-1).min() < OVERFLOWS):
            of_query = torch.full_like(of_query, torch.nan)
        return of_query, of_scores.mT @ query, weights.mT @ gradient

    library = torch.library.Library("aten", "IMPL")
    try:
        library.impl("_scaled_dot_product_flash_attention_for_cpu_backward", backward, "CPU")
        yield
    finally:
        library._destroy()


@pytest.mark.filterwarnings("ignore:(?s).*verriding a previously:UserWarning")
def test_a_kernel_that_fails_as_cudnn_s_did_is_found_at_these_lengths_and_no_others() -> None:
    with broken_as_cudnn():
        found = {length: attempt(KernelTrial("flash", 32, length, "fp32", 0.0), CPU) for length in LENGTHS}
        others = attempt(KernelTrial("math", 32, 192, "fp32", 0.0), CPU)
    wrong = Fault("not finite", "NaN in the gradient of the query with a mask and with very low scores")
    assert found == {64: wrong, 128: None, 192: wrong, 256: None, 320: wrong}
    assert others is None
    assert attempt(KernelTrial("flash", 32, 192, "fp32", 0.0), CPU) is None


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_very_low_scores_are_low_enough_to_overflow_for_every_size_and_precision(precision: Precision) -> None:
    for size, masked in itertools.product((16, 32, 64, 128, 256), (False, True)):
        inputs = Inputs.of(KernelTrial("math", size, 64, precision, 0.0), low=True, masked=masked, device=CPU)
        query, key = (tensor.float().transpose(1, 2) for tensor in (inputs.query, inputs.key))
        scores = query @ key.mT / size**0.5
        assert float(scores.logsumexp(-1).max()) < OVERFLOWS
        assert all(bool(torch.isfinite(tensor).all()) for tensor in reference(inputs))


def test_what_is_wrong_is_named_by_part() -> None:
    right = tuple(torch.full((2, 2), 2.0) for _ in range(4))
    lost, endless, off = (
        torch.tensor([[2.0, value], [2.0, 2.0]]) for value in (float("nan"), float("inf"), 2.5)
    )  # fmt: skip
    assert fault(right, right, 0.01) is None
    assert fault(right, None, 0.01) is None
    assert fault((*right[:3], lost), None, 0.01) == Fault("not finite", "NaN in the gradient of the value")
    assert fault((endless, *right[1:]), right, 0.01) == Fault("not finite", "infinite values in the output")
    wrong = (right[0], right[1], off, right[3])  # an error of 0.5 in one of four twos: 0.5 / 4
    assert fault(wrong, right, 0.01) == Fault("inaccurate", "error of 12.5% in the gradient of the key")
    assert fault(wrong, right, 0.13) is None


def test_a_kernel_that_torch_does_not_have_for_the_inputs_is_not_here() -> None:
    results = {
        (kernel, dropout): attempt(KernelTrial(kernel, 16, 64, "fp32", dropout), CPU)
        for kernel in ("flash", "math", "efficient", "cudnn")
        for dropout in (0.0, DROPOUT)
    }
    finite = {case for case, found in results.items() if found is None}
    assert finite == {("flash", 0.0), ("math", 0.0), ("math", DROPOUT)}
    assert {found.result for found in results.values() if found is not None} == {"not here"}


def test_every_kernel_is_tried_at_every_length_with_and_without_dropout() -> None:
    found = list(trials(CPU, [16, 64], [192, 64], ["fp32", "bf16"]))
    assert len(set(found)) == len(found) == 2 * 2 * 2 * 2 * 2
    assert [trial.length for trial in found[:4]] == [64, 64, 192, 192]


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"num_attention_heads": 12, "hidden_size": 768}, 64),
        ({"num_attention_heads": 8, "hidden_size": 2048, "head_dim": 256}, 256),
        ({"num_attention_heads": 4, "hidden_size": 32, "head_dim": None}, 8),
        ({"hidden_size": 64}, None),
    ],
)
def test_the_size_of_a_head_follows_from_the_configuration(settings: dict[str, Any], size: int | None) -> None:
    assert head_size(SimpleNamespace(**settings)) == size


def test_a_model_that_cannot_be_read_is_said_and_the_others_are_tried(tmp_path: Path) -> None:
    models = [
        ModelConfig(name="tiny", source=str(tiny_model(tmp_path / "tiny"))),
        ModelConfig(name="again", source=str(tmp_path / "tiny")),
        ModelConfig(name="gone", source=str(tmp_path / "gone")),
    ]
    sizes, unread = head_sizes(models)
    assert sizes == [16]
    assert [(line["kernel"], line["result"]) for line in unread] == [("-", "failed")]
    assert "gone" in unread[0]["reason"]
    question = {"models": [model.model_dump(mode="json") for model in models], "lengths": [8], "precisions": ["fp32"]}
    lines = list(run_all(question))
    assert [line["result"] for line in lines if line["kernel"] == "math"] == ["finite", "finite"]
    assert {tuple(line) for line in lines} == {tuple(unread[0])}
