"""In every precision a step is the step of float64, as closely as its bits allow; an overflow costs a step, no more."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.gpu.comparing import CLOSE, joined, largest_ratio, relative_error
from tests.gpu.conftest import FAMILIES
from tests.tiny import Family
from tests.trainables.runs import tiny_run
from tests.trainables.text_runs import text_run
from trainables.config import RunConfig
from trainables.data.batching import Indices
from trainables.training.checkpoint import restore, snapshot_of
from trainables.training.distributed import ProcessGroup
from trainables.training.evaluation import forward_inputs
from trainables.training.optimizer import MAX_SKIPS_IN_A_ROW
from trainables.training.outcome import Diverged
from trainables.training.run import run, training_for
from trainables.training.setup import Prepared, prepare
from trainables.training.token_cache import RunCache
from trainables.training.trainer import Training

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]  # of other versions than those we are tested with
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
# An update is then near the gradient, and gradients of a few items do not cancel each other.
WELL_CONDITIONED: dict[str, Any] = {"epsilon": 1.0, "learning_rate": 10.0, "clip": None, "batch_size": 4}


def config_in(place: Path, precision: str, family: Family = "bert", **train: Any) -> RunConfig:
    """A run that classifies pairs of texts, without dropout."""
    variants: dict[str, Any] = {"tf32": {}} if precision == "tf32" else {}
    config = text_run(place, family, variants=variants, **{**WELL_CONDITIONED, **train})
    model = config.model.model_copy(update={"precision": "fp32" if precision == "tf32" else precision})
    return config.model_copy(update={"model": model})


def begun(config: RunConfig, device: torch.device) -> tuple[Prepared, Training]:
    """A run before its first step."""
    group = ProcessGroup(device=device)
    prepared = prepare(config, device, RunCache())
    training = training_for(config, prepared, group)
    training.model.train()
    return prepared, training


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the parameters."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@dataclass(frozen=True)
class Step:
    """Mean loss, gradient and update of the weights of one optimizer step."""

    loss: torch.Tensor
    gradient: torch.Tensor
    update: torch.Tensor


def step_of(prepared: Prepared, training: Training, batch: Indices) -> Step:
    """The loop's own step; gradients are those that the optimizer gets."""
    before, gradients = weights_of(training.model), {}

    def keep(*unused: Any) -> None:
        gradients.update({name: weight.grad.clone() for name, weight in training.model.named_parameters()})

    handle = training.optimizer_step.optimizer.register_step_pre_hook(keep)
    with prepared.around():
        training.step(batch)
    handle.remove()
    after = weights_of(training.model)
    update = joined(after) - joined(before)
    return Step(training.loss_sum / len(batch), joined(gradients), update)


def exact_step(config: RunConfig, prepared: Prepared, training: Training, batch: Indices) -> Step:
    """The same in float64 on the processor, by torch's own AdamW."""
    model: Any = copy.deepcopy(training.model).double().cpu()
    before = joined(weights_of(model))
    inputs = {name: tensor.cpu() for name, tensor in training.train.batch(batch).items()}
    logits = model(**forward_inputs(prepared.task, inputs)).logits
    loss = functional.cross_entropy(logits, inputs["labels"])
    loss.backward()
    settings = {"lr": training.rate.now(), "betas": config.train.betas, "eps": config.train.epsilon}
    for weight in model.parameters():
        decay = config.train.weight_decay if weight.ndim > 1 else 0.0
        torch.optim.AdamW([weight], weight_decay=decay, **settings).step()
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    return Step(loss.detach(), joined(gradients), joined(weights_of(model)) - before)


def with_scale(training: Training, scale: float) -> None:
    """Let the scaler go on with this scale, as from a checkpoint."""
    state = training.optimizer_step.state()
    training.optimizer_step.restore({**state, "scaler": {**state["scaler"], "scale": scale}})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_one_step_is_that_of_float64(device: torch.device, place: Path, family: Family, precision: str) -> None:
    if precision == "tf32" and device.type != "cuda":
        pytest.skip("a processor has no TensorFloat-32")
    config = config_in(place, precision, family)
    prepared, training = begun(config, device)
    if precision == "fp16":
        with_scale(training, 2.0**10)  # none of these gradients overflows
    batch = training.batches()[0]
    exact = exact_step(config, prepared, training, batch)
    found = step_of(prepared, training, batch)
    errors = {name: relative_error(getattr(found, name), getattr(exact, name)) for name in vars(exact)}
    far = {name: error for name, error in errors.items() if not error < CLOSE[precision]}
    assert not far, f"{precision} is far from float64: {far}"
    if precision != "fp32":
        assert errors["gradient"] > CLOSE["fp32"], f"{precision} computes like fp32: it does nothing here ({errors})"


def test_an_overflow_skips_the_step_is_counted_and_does_not_move_the_schedule(
    device: torch.device, place: Path
) -> None:
    prepared, training = begun(config_in(place, "fp16"), device)
    batch, rate, before = training.batches()[0], training.rate.now(), joined(weights_of(training.model))
    with_scale(training, 2.0**60)
    skipped = step_of(prepared, training, batch)
    assert not skipped.gradient.isfinite().all(), "the gradient did not overflow: there is nothing to skip"
    assert torch.equal(joined(weights_of(training.model)), before)
    assert (training.optimizer_step.skipped, training.rate.applied, training.position.step) == (1, 0, 1)
    assert training.rate.now() == rate
    assert training.optimizer_step.state()["scaler"]["scale"] == 2.0**59
    with_scale(training, 2.0**10)
    applied = step_of(prepared, training, batch)
    assert (training.optimizer_step.skipped, training.optimizer_step.skipped_in_a_row, training.rate.applied) == (
        1,
        0,
        1,
    )
    assert training.rate.now() < rate
    prepared, fresh = begun(config_in(place, "fp16"), device)
    with_scale(fresh, 2.0**10)
    error = relative_error(applied.update, step_of(prepared, fresh, batch).update)
    assert error < 1e-6, f"the step after a skipped one is not the first step of a run: {error}"


def test_a_checkpoint_goes_on_with_the_scale_and_the_skips(device: torch.device, place: Path) -> None:
    config = config_in(place, "fp16")
    (prepared, training), (also, resumed) = begun(config, device), begun(config, device)
    batch = training.batches()[0]
    with_scale(training, 2.0**60)
    step_of(prepared, training, batch)
    snapshot = snapshot_of(training, 0.0)
    assert snapshot is not None
    restore(resumed, snapshot)
    assert resumed.optimizer_step.state() == training.optimizer_step.state()
    for one, other in ((prepared, training), (also, resumed)):
        step_of(one, other, batch)
    assert (
        training.optimizer_step.state()["scaler"]["scale"]
        == resumed.optimizer_step.state()["scaler"]["scale"]
        == 2.0**58
    )
    assert (resumed.optimizer_step.skipped, resumed.rate.applied, resumed.position.step) == (2, 0, 2)


def test_gradients_that_always_overflow_end_a_run_as_diverged(device: torch.device, place: Path) -> None:
    prepared, training = begun(config_in(place, "fp16", batch_size=2, epochs=3), device)
    before = joined(weights_of(training.model))
    with_scale(training, 2.0**120)
    with prepared.around(), pytest.raises(Diverged, match="loss or gradient became non-finite"):
        training.run()
    assert training.optimizer_step.skipped == training.position.step >= MAX_SKIPS_IN_A_ROW
    assert training.rate.applied == 0
    assert torch.equal(joined(weights_of(training.model)), before)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_lower_precision_learns_what_full_precision_learns(device: torch.device, place: Path, precision: str) -> None:
    if precision == "tf32" and device.type != "cuda":
        pytest.skip("a processor has no TensorFloat-32")
    group = ProcessGroup(device=device)
    full = run(tiny_run(place, epochs=4, learning_rate=1e-3), group=group)
    variants: dict[str, Any] = {"tf32": {}} if precision == "tf32" else {}
    model = {"precision": "fp32" if precision == "tf32" else precision}
    lower = run(tiny_run(place, epochs=4, learning_rate=1e-3, model=model, variants=variants), group=group)
    for outcome in (full, lower):
        losses = outcome.epochs["train_loss"].tolist()
        assert losses[-1] < 0.8 * losses[0], losses
    ratio, skipped = largest_ratio(lower, full, ("train_loss", "eval_loss")), lower.columns["skipped_steps"]
    assert skipped < 6, "the scale is halved at every skip: a few are enough"
    assert ratio < 0.1 or skipped, f"losses differ by {ratio:.2%}, and no step was skipped"
