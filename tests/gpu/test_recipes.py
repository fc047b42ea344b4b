"""Recipes, layouts, interruptions and warmth never change what a run computes; compiling takes longest and is last."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from analysis.tables.folder import Folder
from tests.gpu.comparing import CLOSE, joined, largest_difference, largest_ratio, relative_error
from tests.gpu.conftest import SIZES
from tests.tiny import Family, tiny_model
from tests.trainables.runs import StopAt, tiny_run
from trainables import registry
from trainables.config import Precision, RunConfig, SplitConfig
from trainables.protocols.variant import resolve_variants, unsupported_on
from trainables.system.hardware import this_machine
from trainables.training import control_points
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions, run, training_for
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]  # of other versions than those we are tested with
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
ALLOWED = {"fp32": 1e-4, "bf16": 3e-2, "fp16": 3e-2}  # of curves over some steps
GRAPHS = "a processor has no CUDA graphs"
Recipe = dict[str, dict[str, Any]]


def config_of(place: Path, precision: str = "fp32", recipe: Recipe | None = None, **changes: Any) -> RunConfig:
    """Two epochs of two steps (8 and 5 items), with a test part that is scored with the best weights."""
    split = SplitConfig(validation=0.25, test=0.2)
    settings = {"epochs": 2, "learning_rate": 1e-3, **changes}
    return tiny_run(place, count=24, model={"precision": precision}, variants=recipe or {}, split=split, **settings)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_warm_run_equals_a_cold_one_bit_for_bit(device: torch.device, place: Path, precision: str) -> None:
    group, cache = ProcessGroup(device=device), RunCache()
    config = config_of(place, precision, dropout=0.1)
    run(config, group=group, cache=cache)
    run(config_of(place, precision, dropout=0.1, seed=2), group=group, cache=cache)
    difference = largest_difference(run(config, group=group, cache=cache), run(config, group=group))
    assert difference == 0.0, f"warm and cold differ by up to {difference:.3g}"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_stopped_run_goes_on_exactly_where_it_was(
    device: torch.device, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(control_points, "INTERVAL_SECONDS", 0.0)  # control points at every step
    config, group, folder = config_of(place, precision, dropout=0.1), ProcessGroup(device=device), Folder.at(tmp_path)
    assert run(config, group=group, control=StopAt(3), folder=folder).status == "stopped"
    difference = largest_difference(run(config, group=group, folder=folder), run(config, group=group))
    assert difference == 0.0, f"resumed and uninterrupted differ by up to {difference:.3g}"


def test_accumulation_does_not_change_the_curves(device: torch.device, place: Path) -> None:
    group, config = ProcessGroup(device=device), config_of(place)
    whole, parts = run(config, group=group), run(config, group=group, layout=ComputeOptions(accumulation=2))
    ratio = largest_ratio(parts, whole)
    assert ratio < 1e-5, f"two steps of four items and one of eight differ by {ratio:.3g}"


def summed(config: RunConfig, device: torch.device) -> torch.Tensor:
    """Losses and gradients of all training items, each at the first weights: an epoch whose rate is next to nothing."""
    train = config.train.model_copy(update={"learning_rate": 1e-30, "clip": None, "weight_decay": 0.0})
    config, group = config.model_copy(update={"train": train}), ProcessGroup(device=device)
    prepared = prepare(config, device, RunCache())
    training = training_for(config, prepared, group)
    training.model.train()
    found = {name: torch.zeros_like(weight) for name, weight in training.model.named_parameters()}
    terms = torch.zeros(())

    def add(*unused: Any) -> None:
        for name, weight in training.model.named_parameters():
            found[name] += weight.grad * terms

    training.optimizer_step.optimizer.register_step_pre_hook(add)
    with prepared.around():
        for batch in training.batches():
            terms = torch.tensor(float(training.train.terms[batch].sum()))
            training.step(batch)
    return joined({**found, "loss": training.loss_sum})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("recipe", ["length_bucketing", "unpadding"])
def test_items_give_the_same_losses_and_gradients_however_they_are_padded(
    device: torch.device, place: Path, recipe: str, precision: str
) -> None:
    padded = summed(config_of(place, precision, {"pad_to_max": {}}, max_length=128), device)
    error = relative_error(summed(config_of(place, precision, {recipe: {}}, max_length=128), device), padded)
    assert error < CLOSE[precision], f"{recipe} and padding to 128 pieces differ by {error:.3g}"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_without_padding_is_the_run_with_it(device: torch.device, place: Path, precision: str) -> None:
    group = ProcessGroup(device=device)
    padded = run(config_of(place, precision, {"pad_to_max": {}}, max_length=128), group=group)
    ratio = largest_ratio(run(config_of(place, precision, {"unpadding": {}}, max_length=128), group=group), padded)
    assert ratio < ALLOWED[precision], f"curves differ by {ratio:.3g}"


def test_checkpointed_blocks_draw_the_same_dropout_again(device: torch.device, place: Path) -> None:
    group = ProcessGroup(device=device)
    plain = run(config_of(place, dropout=0.2), group=group)
    again = run(config_of(place, recipe={"gradient_checkpointing": {}}, dropout=0.2), group=group)
    ratio = largest_ratio(again, plain)
    assert ratio < 1e-5, f"curves differ by {ratio:.3g}"


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recorded_steps_are_launched_steps(device: torch.device, place: Path, precision: str, dropout: float) -> None:
    if device.type != "cuda":
        pytest.skip(GRAPHS)
    group, padding = ProcessGroup(device=device), {"pad_to_max": {}}
    settings: dict[str, Any] = {"dropout": dropout, "epochs": 4}  # shapes are recorded in the second
    launched = run(config_of(place, precision, padding, **settings), group=group)
    recorded = run(config_of(place, precision, {**padding, "cuda_graphs": {}}, **settings), group=group)
    ratio = largest_ratio(recorded, launched)
    assert ratio < ALLOWED[precision], f"curves differ by {ratio:.3g}"


@pytest.mark.parametrize("family", ["roberta", "modernbert", "deberta-v2"])
def test_recorded_steps_of_every_family_are_launched_steps(device: torch.device, place: Path, family: Family) -> None:
    if device.type != "cuda":
        pytest.skip(GRAPHS)
    group, padding = ProcessGroup(device=device), {"pad_to_max": {}}
    settings: dict[str, Any] = {"family": family, "dropout": 0.0, "epochs": 4}
    launched = run(config_of(place, recipe=padding, **settings), group=group)
    recorded = run(config_of(place, recipe={**padding, "cuda_graphs": {}}, **settings), group=group)
    ratio = largest_ratio(recorded, launched)
    assert ratio < ALLOWED["fp32"], f"curves differ by {ratio:.3g}"


def test_what_a_recorded_step_keeps_for_its_replays_belongs_to_its_peak(device: torch.device, place: Path) -> None:
    if device.type != "cuda":
        pytest.skip(GRAPHS)
    group, padding = ProcessGroup(device=device), {"pad_to_max": {}}
    peaks = [
        run(config_of(place, recipe={**padding, **recipe}, epochs=4), group=group).columns["peak_memory_gib"]
        for recipe in ({}, {"cuda_graphs": {}})
    ]
    assert peaks[1] >= peaks[0] > 0


def test_a_run_of_recorded_steps_goes_on_exactly_where_it_was(
    device: torch.device, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device.type != "cuda":
        pytest.skip(GRAPHS)
    monkeypatch.setattr(control_points, "INTERVAL_SECONDS", 0.0)
    config, group = config_of(place, recipe={"cuda_graphs": {}}, dropout=0.1, epochs=4), ProcessGroup(device=device)
    folder = Folder.at(tmp_path)
    assert run(config, group=group, control=StopAt(5), folder=folder).status == "stopped"
    difference = largest_difference(run(config, group=group, folder=folder), run(config, group=group))
    assert difference == 0.0, f"resumed and uninterrupted differ by up to {difference:.3g}"


@pytest.mark.parametrize(
    ("variant", "packages"), [("lora", ("peft",)), ("qlora", ("peft", "accelerate", "bitsandbytes"))]
)
def test_adapters_learn_beside_weights_that_stay(
    device: torch.device, place: Path, variant: str, packages: tuple[str, ...]
) -> None:
    for package in packages:
        pytest.importorskip(package, reason=f"{package} is not installed")
    config = config_of(place, "bf16", {variant: {"rank": 16}}, epochs=4, learning_rate=1e-2)
    group = ProcessGroup(device=device)
    prepared = prepare(config, device, RunCache())
    training = training_for(config, prepared, group)
    before = {name: weight.detach().clone() for name, weight in prepared.model.named_parameters()}
    with prepared.around():
        training.run()
    weights = dict(prepared.model.named_parameters())
    changed = {name for name, weight in weights.items() if not torch.equal(weight, before[name])}
    assert changed == {name for name, weight in weights.items() if weight.requires_grad}
    assert any("lora_" in name for name in changed)
    losses = [row["train_loss"] for row in training.totals.rows]
    assert losses[-1] < 0.9 * losses[0], losses


@pytest.fixture
def small(device: torch.device, place: Path) -> Iterator[Path]:
    """A folder with a model of one block, which compiles sooner; afterwards nothing that was compiled stays."""
    folder = place / "small"
    if not folder.exists():
        tiny_model(folder / "bert", "bert", **{**SIZES, "num_hidden_layers": 1})
    yield folder
    torch._dynamo.reset()


COMPILED: dict[str, Recipe] = {
    "inductor": {"torch_compile": {}},
    "inductor, recorded": {"torch_compile": {"shapes": "fixed"}, "cuda_graphs": {}},
    "inductor, recording itself": {"torch_compile": {"shapes": "fixed", "mode": "reduce-overhead"}},
}


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_models_learn_what_the_others_learn(device: torch.device, small: Path, name: str) -> None:
    if device.type != "cuda":
        pytest.skip("compiling takes a processor longer than a rehearsal may; the contract of variants compiles there")
    reason = unsupported_on(this_machine(), resolve_variants(COMPILED[name], partial(registry.load, "variant")))
    if reason is not None:
        pytest.skip(reason)
    group, settings = ProcessGroup(device=device), {"count": 32, "epochs": 2, "learning_rate": 1e-3}
    plain = run(tiny_run(small, **settings), group=group)
    compiled = run(tiny_run(small, **settings, variants=COMPILED[name]), group=group)
    ratio = largest_ratio(compiled, plain)
    assert ratio < ALLOWED["fp32"], f"curves differ by {ratio:.3g}"
