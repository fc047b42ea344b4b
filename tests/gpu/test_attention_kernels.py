"""Every kernel of attention computes what float64 does: all lengths, with and without mask and dropout, both ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gpu.attention import KERNELS, Problem, absent, answer, exact, kept_weights
from tests.gpu.comparing import CLOSE, joined, relative_error
from tests.tiny import Family
from tests.trainables.text_runs import text_run
from trainables import registry
from trainables.config import Precision
from trainables.protocols.variant import resolve_variants, unsupported_on
from trainables.system.attention_kernels import REFUSED
from trainables.system.hardware import this_machine
from trainables.system.precision import autocast
from trainables.training.setup import Prepared, prepare
from trainables.training.token_cache import RunCache
from trainables.variants.attention import FLASH

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]  # of other versions than those we are tested with
LENGTHS = (64, 128, 192, 256, 320, 512)
REHEARSED = LENGTHS[:2]  # a processor takes a hundred times as long
DROPOUT = 0.1
MASKED = pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
NOT_USED = pytest.mark.xfail(reason="runs do not use this kernel", strict=False)
NAMES = [pytest.param(name, marks=[NOT_USED] if name in REFUSED else []) for name in KERNELS]


@pytest.fixture
def lengths(device: torch.device) -> tuple[int, ...]:
    """Those that a test goes through."""
    return LENGTHS if device.type == "cuda" else REHEARSED


def skip_where_absent(name: str, precision: Precision, masked: bool, device: torch.device, dropout: float) -> None:
    """Not every kernel takes every problem; one that takes the shortest has to take all."""
    reason = absent(KERNELS[name], Problem.of(LENGTHS[0], precision, masked, device), dropout)
    if reason is not None:
        pytest.skip(f"{device.type} has no {name} kernel for this precision, mask and dropout")


@MASKED
@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_gives_the_numbers_of_float64(
    device: torch.device, lengths: tuple[int, ...], name: str, precision: Precision, masked: bool
) -> None:
    skip_where_absent(name, precision, masked, device, dropout=0.0)
    errors = {}
    for length in lengths:
        problem = Problem.of(length, precision, masked, device)
        found, reference = answer(KERNELS[name], problem).parts, exact(problem).parts
        errors |= {f"{part} at {length}": relative_error(found[part], reference[part]) for part in found}
    far = {where: error for where, error in errors.items() if not error < CLOSE[precision]}
    assert not far, f"{len(far)} of {len(errors)} are far from float64: {far}"


@MASKED
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("name", NAMES)
def test_dropout_drops_the_same_weights_forwards_and_backwards_and_as_many_as_asked_for(
    device: torch.device, lengths: tuple[int, ...], name: str, precision: Precision, masked: bool
) -> None:
    skip_where_absent(name, precision, masked, device, DROPOUT)
    errors, shares = {}, []
    for length in lengths:
        problem = Problem.of(length, precision, masked, device)
        kept = kept_weights(KERNELS[name], problem, DROPOUT)
        found, reference = answer(KERNELS[name], problem, DROPOUT).parts, exact(problem, kept, DROPOUT).parts
        errors |= {f"{part} at {length}": relative_error(found[part], reference[part]) for part in found}
        shares.append(float(kept[0].double().mean()))  # of the row without padding
    far = {where: error for where, error in errors.items() if not error < CLOSE[precision]}
    assert not far, f"{len(far)} of {len(errors)} are far from float64: {far}"
    assert shares == pytest.approx([1 - DROPOUT] * len(lengths), abs=0.02)


SDPA: dict[str, Any] = {"attention": {"implementation": "sdpa"}}
CASES: list[tuple[Family, dict[str, Any]]] = [
    ("bert", {"attention": {"implementation": "eager"}}),
    ("bert", SDPA),
    ("bert", {"attention": {"implementation": "flash_attention_2"}}),
    ("bert", {"unpadding": {}}),
    ("modernbert", {"attention": {"implementation": "eager"}}),
    ("modernbert", SDPA),
    ("modernbert", {"attention": {"implementation": "flash_attention_2"}}),
    ("qwen2", SDPA),
    ("deberta-v2", {"attention": {"implementation": "eager"}}),
]
IDS = [f"{family}-{recipe.get('attention', {}).get('implementation', 'unpadding')}" for family, recipe in CASES]


def prepared_with(place: Path, family: Family, recipe: dict[str, Any], device: torch.device) -> Prepared:
    """A classifier of three classes without dropout; the same weights whatever the recipe."""
    applied = resolve_variants(recipe, lambda name: registry.load("variant", name))
    reason = unsupported_on(this_machine(), applied)
    if reason is not None:
        pytest.skip(reason)
    return prepare(text_run(place, family, variants=recipe), device, RunCache())


def batch_of(length: int, masked: bool) -> dict[str, torch.Tensor]:
    """Random pieces; the rows of a masked batch have all of the length, some and two pieces of it."""
    ids = torch.randint(6, 30, (3, length), generator=torch.Generator().manual_seed(length))
    if not masked:
        return {"input_ids": ids}
    mask = torch.arange(length) < torch.tensor([length, length // 2 + 3, 2])[:, None]
    return {"input_ids": ids * mask, "attention_mask": mask.long()}


def passed(prepared: Prepared, batch: dict[str, torch.Tensor], precision: Precision) -> torch.Tensor:
    """Logits and the gradients of all weights, as one vector."""
    model: Any = prepared.model.train()
    model.zero_grad()
    with prepared.around(), autocast(precision, model.device):
        logits = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).logits
    logits.backward(torch.tensor([1.0, -2.0, 1.0]).to(logits).expand_as(logits))
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return joined({**gradients, "logits": logits})


@MASKED
@pytest.mark.parametrize(("family", "recipe"), CASES, ids=IDS)
def test_a_model_is_finite_and_right_at_every_length(
    device: torch.device, lengths: tuple[int, ...], place: Path, family: Family, recipe: dict[str, Any], masked: bool
) -> None:
    prepared = prepared_with(place, family, recipe, device)
    exact = prepared_with(
        place, family, {} if family == "deberta-v2" else SDPA, device
    )  # eager's softmax may be float32
    exact.model.double()
    flash = prepared.model.config._attn_implementation == FLASH
    precisions: tuple[Precision, ...] = ("bf16",) if flash else ("bf16", "fp32")
    errors = {}
    for length in lengths:
        batch = batch_of(length, masked)
        expected = passed(exact, batch, "fp32")
        for precision in precisions:
            error = relative_error(passed(prepared, batch, precision), expected)
            errors[f"{precision} at {length}"] = error / CLOSE[precision]
    far = {where: f"{error:.2g} times what is allowed" for where, error in errors.items() if not error < 1}
    assert not far, f"{len(far)} of {len(errors)} are far from float64: {far}"
