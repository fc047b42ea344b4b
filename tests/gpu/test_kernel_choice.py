"""Runs compute attention with the kernels that were chosen for the device, launched, recorded and compiled alike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.trainables.runs import tiny_run
from trainables import registry
from trainables.config import Precision, RunConfig
from trainables.protocols.variant import resolve_variants, unsupported_on
from trainables.system.attention_kernels import allowed, kernels_on
from trainables.system.hardware import this_machine
from trainables.tools.kernel_probe import KernelTrial, attempt
from trainables.training.distributed import ProcessGroup
from trainables.training.run import run, training_for
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]  # of other versions than those we are tested with
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "launched": {},
    "recorded": {"cuda_graphs": {}},
    "compiled": {"torch_compile": {"shapes": "fixed"}},
    "compiled and recorded": {"torch_compile": {"shapes": "fixed"}, "cuda_graphs": {}},
}


def config_of(place: Path, recipe: dict[str, dict[str, Any]]) -> RunConfig:
    """A run with the attention that torch finds a kernel for, and masks in its batches."""
    variants = {"attention": {"implementation": "sdpa"}, **recipe}
    return tiny_run(place, model={"precision": "bf16"}, variants=variants, epochs=2, dropout=0.1)


@pytest.mark.parametrize("name", RECIPES)
def test_no_step_and_no_evaluation_uses_cudnn_s_attention(device: torch.device, place: Path, name: str) -> None:
    config = config_of(place, RECIPES[name])
    applied = resolve_variants(config.variants, lambda variant: registry.load("variant", variant))
    reason = "a processor has no cuDNN" if device.type == "cpu" else unsupported_on(this_machine(), applied)
    if reason is not None:
        pytest.skip(reason)
    prepared = prepare(config, device, RunCache())
    training = training_for(config, prepared, ProcessGroup(device=device))
    before = torch.backends.cuda.cudnn_sdp_enabled()
    with profile(activities=[ProfilerActivity.CPU]) as events, prepared.around():
        training.run()
    attentions = {event.key for event in events.key_averages() if "attention" in event.key}
    assert {name for name in attentions if "flash" in name or "efficient" in name}, attentions
    assert not {name for name in attentions if "cudnn" in name}
    assert torch.backends.cuda.cudnn_sdp_enabled() == before


def test_the_column_names_the_kernels_and_the_version_of_cudnn(device: torch.device, place: Path) -> None:
    found = run(config_of(place, {}), group=ProcessGroup(device=device)).columns["attention"]
    pattern = (
        r"sdpa" if device.type == "cpu" else r"sdpa \((flash, )?efficient, math; (cuDNN \d+\.\d+\.\d+ off|no cuDNN)\)"
    )
    assert re.fullmatch(pattern, found), found


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_the_kernels_that_runs_use_take_the_inputs_that_kernels_have_failed_on(
    device: torch.device, precision: Precision
) -> None:
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    cases = [
        KernelTrial(kernel, 64, length, precision, dropout)
        for kernel in allowed(kernels_on(device.type, capability))
        for length in (64, 128, 192, 320)
        for dropout in (0.0, 0.1)
    ]
    found = {case: attempt(case, device) for case in cases}
    assert not {case: wrong for case, wrong in found.items() if wrong is not None and wrong.result != "not here"}
    assert any(wrong is None for wrong in found.values())
