"""Every variant and every pair of them: it trains what it should and scores what it should, or it is refused in words.

Runs are of a tiny BERT on the CPU. Compiling is by aot_eager, which traces as inductor does and generates no code; what
was traced for one pair serves the others where it fits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.tiny import tiny_model
from tests.trainables.runs import tiny_run
from trainables import registry
from trainables.config import RunConfig
from trainables.modeling.pretrained import new_parameters
from trainables.protocols.variant import Subject, Variant, plan_of, resolve_variants, unsupported_on
from trainables.system.hardware import Gpu, Hardware
from trainables.training.distributed import ProcessGroup
from trainables.training.run import run, training_for
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache

pytest.importorskip("peft", reason="the adapters extra is not installed")
pytest.importorskip("bitsandbytes", reason="the adapters extra is not installed")

NAMES = registry.names("variant")
OPTIONS: dict[str, dict[str, Any]] = {
    "attention": {"implementation": "sdpa"},
    "freezing": {"layers": 0},
    "lora": {"rank": 64},
    "qlora": {"rank": 64},
    "torch_compile": {"backend": "aot_eager", "shapes": "fixed"},
}
PROCESSOR = Hardware("a processor", frozenset(), ())
ACCELERATED = Hardware("a processor", frozenset(), (Gpu("a GPU", 9.0, 80.0),))
SIZES = {"hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 64}  # wide enough for state in eight bits


def recipe(*names: str) -> dict[str, dict[str, Any]]:
    """These variants with options that fit the tiny model."""
    return {name: OPTIONS.get(name, {}) for name in names}


def load(name: str) -> Variant:
    """The registered variant."""
    variant: Variant = registry.load("variant", name)
    return variant


def on_processor(name: str) -> bool:
    """Whether it runs without a GPU."""
    return load(name).unsupported(PROCESSOR, load(name).options(**OPTIONS.get(name, {}))) is None


RUNNABLE = [name for name in NAMES if on_processor(name)]
PAIRS = list(itertools.combinations(NAMES, 2))


@dataclass(frozen=True)
class Tried:
    """What one short training did."""

    losses: list[float]
    trained: set[str]
    trainable: set[str]
    head: set[str]
    visited: list[int]
    predictions: pd.DataFrame


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the model; afterwards nothing that was traced stays."""
    folder = tmp_path_factory.mktemp("variants")
    tiny_model(folder / "bert", "bert", **SIZES)
    yield folder
    torch._dynamo.reset()


def config(place: Path, variants: dict[str, Any], seed: int = 1, epochs: int = 2) -> RunConfig:
    """Two steps an epoch."""
    return tiny_run(place, count=16, seed=seed, variants=variants, epochs=epochs, batch_size=6, learning_rate=1e-2)


def tried(place: Path, *names: str) -> Tried:
    """Train with these variants, looking at the weights before and after."""
    settings = config(place, recipe(*names))
    group = ProcessGroup.current(torch.device("cpu"))
    prepared = prepare(settings, group.device, RunCache())
    training = training_for(settings, prepared, group)
    before = {name: weight.detach().clone() for name, weight in prepared.model.named_parameters()}
    visited = np.sort(np.concatenate(training.batches())).tolist()
    with prepared.around():
        training.run()
    weights = dict(prepared.model.named_parameters())
    return Tried(
        [row["train_loss"] for row in training.totals.rows],
        {name for name, weight in weights.items() if not torch.equal(weight, before[name])},
        {name for name, weight in weights.items() if weight.requires_grad},
        set(new_parameters(prepared.model)),
        visited,
        prepared.predictions("validation", training.best.outputs),
    )


@pytest.fixture(scope="module")
def plain(place: Path) -> Tried:
    """The run without any variant."""
    return tried(place)


def check(found: Tried, plain: Tried, names: tuple[str, ...]) -> None:
    """What every combination that is not refused has to keep."""
    assert found.losses[-1] < found.losses[0], "the loss does not fall"
    assert found.trained == found.trainable, "a weight that should train got no gradient, or one that should not did"
    assert found.head <= found.trainable
    assert found.visited == plain.visited == list(range(12)), "an item is left out or comes twice"
    for column in ("item", "position", "gold"):
        assert found.predictions[column].tolist() == plain.predictions[column].tolist()
    assert (found.trainable < plain.trainable) == any(name in names for name in ("bitfit", "freezing"))


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_says_what_it_is_and_whom_it_excludes(name: str) -> None:
    variant = load(name)
    assert variant.name == name
    assert variant.description
    assert set(variant.excludes) <= set(NAMES) - {name}
    for other, why in variant.excludes.items():
        assert len(why) > 20
        assert name in load(other).excludes, f"{other} does not exclude {name}"
    with pytest.raises(ValueError, match="has no option 'speed'"):
        resolve_variants({name: {"speed": 1}}, load)


@pytest.mark.parametrize("names", PAIRS, ids=" + ".join)
def test_the_order_in_which_variants_are_written_means_nothing(names: tuple[str, str]) -> None:
    one, other = names
    if other in load(one).excludes:
        with pytest.raises(ValueError, match=f"(?s){one} excludes {other}: .+{other} excludes {one}: "):
            resolve_variants(recipe(*names), load)
        return
    orders = [resolve_variants(recipe(*order), load) for order in (names, reversed(names))]
    assert orders[0] == orders[1]
    assert plan_of(orders[0]) == plan_of(orders[1])
    assert [item.variant.stage for item in orders[0]] == sorted(item.variant.stage for item in orders[0])


@pytest.mark.parametrize("name", RUNNABLE)
def test_alone_it_trains_what_it_should_and_scores_every_item(place: Path, plain: Tried, name: str) -> None:
    check(tried(place, name), plain, (name,))


@pytest.mark.parametrize("name", [name for name in RUNNABLE if load(name).control == "negative"])
def test_a_negative_control_learns_as_much_and_scores_far_less(place: Path, name: str) -> None:
    sound, control = (run(config(place, variants, epochs=8)) for variants in ({}, recipe(name)))
    assert control.epochs["train_loss"].tolist() == sound.epochs["train_loss"].tolist()
    assert control.epochs["eval_loss"].tolist() == sound.epochs["eval_loss"].tolist()
    assert control.predictions["item"].tolist() == sound.predictions["item"].tolist()
    assert control.columns["score"] < 0.8 * sound.columns["score"]


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # bitsandbytes, while traced
@pytest.mark.parametrize("names", [pair for pair in PAIRS if set(pair) <= set(RUNNABLE)], ids=" + ".join)
def test_two_of_them_compose_or_are_refused(place: Path, plain: Tried, names: tuple[str, str]) -> None:
    if names[1] in load(names[0]).excludes:
        with pytest.raises(ValueError, match=f"{names[0]} excludes {names[1]}: .{{20,}}"):
            tried(place, *names)
        return
    check(tried(place, *names), plain, names)


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_warm_run_repeats_a_cold_one_unless_the_variant_says_why_not(place: Path, name: str) -> None:
    assert load(name).inexact(load(name).options(**OPTIONS.get(name, {}))) is None
    kept, settings = RunCache(), config(place, recipe(name))
    cold = run(settings, cache=kept)
    other = run(config(place, recipe(name), seed=2), cache=kept)
    again = run(settings, cache=kept)
    assert cold.epochs["train_loss"].tolist() == again.epochs["train_loss"].tolist()
    assert cold.epochs["train_loss"].tolist() != other.epochs["train_loss"].tolist()
    pd.testing.assert_frame_equal(cold.predictions, again.predictions, check_exact=True)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(RUNNABLE)))
def test_what_needs_a_gpu_is_unsupported_without_one_and_says_so(name: str) -> None:
    applied = resolve_variants(recipe(name), load)
    assert "needs" in str(unsupported_on(PROCESSOR, applied))
    assert "a processor" in str(unsupported_on(PROCESSOR, applied))
    assert unsupported_on(ACCELERATED, applied) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_which_nothing_is_known_is_refused_by_no_variant(name: str) -> None:
    assert load(name).incompatible(Subject("somebody's", "fp32"), load(name).options(**OPTIONS.get(name, {}))) is None
