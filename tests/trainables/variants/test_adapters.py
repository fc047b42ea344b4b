"""LoRA and QLoRA: what trains and what does not, the same from warm and cold, and folders that anybody can load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from analysis.tables.folder import Folder
from tests.tiny import tiny_model
from tests.trainables.modeling.test_model_families import said_by_others, saved
from tests.trainables.runs import StopAt
from tests.trainables.text_runs import model_of, text_run
from trainables import registry
from trainables.config import ModelConfig
from trainables.modeling.pretrained import (
    ModelSource,
    dequantized,
    instantiate,
    new_parameters,
    num_entries,
    quantized_layers,
)
from trainables.protocols.variant import NoEffect, Plan, adjust_model, plan_of, resolve_variants
from trainables.training import control_points
from trainables.training.best_weights import changing, put_back
from trainables.training.outcome import Outcome
from trainables.training.run import run
from trainables.training.token_cache import RunCache

pytest.importorskip("peft", reason="the adapters extra is not installed")
pytest.importorskip("bitsandbytes", reason="the adapters extra is not installed")

LABELS = ("data", "power", "thermal")
TEXTS = "AutoModelForSequenceClassification"


def adapted(folder: Path, name: str, variant: str = "lora", seed: int = 0, **options: Any) -> Any:
    """A tiny model with adapters, as `training/setup.py` prepares one."""
    applied = resolve_variants({variant: options}, lambda given: registry.load("variant", given))
    source = ModelSource(model_of(folder, name), quantization=plan_of(applied).quantization, texts=lambda: ["a b"])
    model = instantiate(source.load(TEXTS, LABELS), 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return adjust_model(model, applied)


def trainable(model: Any) -> set[str]:
    """Names of the parameters that train."""
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def same(one: Outcome, other: Outcome) -> None:
    """Bit for bit."""
    assert one.epochs["train_loss"].tolist() == other.epochs["train_loss"].tolist()
    assert one.epochs["grad_norm"].tolist() == other.epochs["grad_norm"].tolist()
    assert one.predictions["probability"].tolist() == other.predictions["probability"].tolist()


def test_adapters_and_the_head_train_and_nothing_else(tmp_path: Path) -> None:
    model = adapted(tmp_path, "bert", rank=4)
    names = trainable(model)
    head = {name for name in names if "lora_" not in name}
    assert head == {"classifier.weight", "classifier.bias"} == set(new_parameters(model))
    layers = {name.partition(".lora_")[0].rsplit(".", 1)[-1] for name in names - head}
    assert layers == {"query", "value"}
    pairs = [parameter.shape for name, parameter in model.named_parameters() if "lora_" in name]
    assert sorted(set(pairs)) == [(4, 32), (32, 4)]
    assert len(pairs) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("name", "targets", "layers"),
    [
        ("modernbert", "auto", {"Wqkv"}),
        ("distilbert", "auto", {"q_lin", "v_lin"}),
        ("deberta-v2", "auto", {"query_proj", "value_proj"}),
        ("gemma", "auto", {"q_proj", "v_proj"}),
        ("llama", "all-linear", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
        ("bert+mean", ["query", "output.dense"], {"query", "dense"}),
        ("roberta", ["dense"], {"dense"}),
    ],
)
def test_targets_are_found_by_architecture_or_by_name_and_never_in_the_head(
    tmp_path: Path, name: str, targets: Any, layers: set[str]
) -> None:
    found = {one.partition(".lora_")[0] for one in trainable(adapted(tmp_path, name, targets=targets)) if "lora" in one}
    assert {one.rsplit(".", 1)[-1] for one in found} == layers
    assert not [one for one in found if one.startswith(("classifier", "score"))]


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("feed-forward", {}, "lora would train the head only: feed-forward has no query and value projections"),
        ("bert", {"targets": ["querry"]}, r"bert has no linear layer 'querry'; its linear layers end in .*query"),
    ],
)
def test_adapters_that_would_adapt_nothing_are_refused(
    tmp_path: Path, name: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NoEffect, match=reason):
        adapted(tmp_path, name, **options)


def test_four_bits_without_a_layer_to_keep_in_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoEffect, match="no weight of this model is in four bits"):
        adapted(tmp_path, "feed-forward", "qlora")


def test_the_two_exclude_each_other_and_options_are_checked() -> None:
    def load(name: str) -> Any:
        return registry.load("variant", name)

    with pytest.raises(ValueError, match="lora excludes qlora: qlora adds the same adapters"):
        resolve_variants({"lora": {}, "qlora": {}}, load)
    with pytest.raises(ValueError, match="rank"):
        resolve_variants({"lora": {"rank": 0}}, load)
    assert plan_of(resolve_variants({"qlora": {}}, load)) == Plan(quantization="nf4")
    assert plan_of(resolve_variants({"lora": {}}, load)) == Plan()


def test_a_model_from_random_weights_trains_its_head_beside_the_adapters(tmp_path: Path) -> None:
    config = ModelConfig(name="scratch", source=str(tiny_model(tmp_path)), random_init=True)
    model = instantiate(ModelSource(config).load(TEXTS, LABELS), 1)
    assert new_parameters(model) == {"classifier.weight", "classifier.bias"}


def test_new_weights_follow_the_seed_of_torch_and_start_without_effect(tmp_path: Path) -> None:
    one, again, other = (adapted(tmp_path, "bert", seed=seed) for seed in (3, 3, 4))
    name = next(name for name in trainable(one) if "lora_A" in name)
    assert torch.equal(one.get_parameter(name), again.get_parameter(name))
    assert not torch.equal(one.get_parameter(name), other.get_parameter(name))
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(one.eval()(ids).logits, other.eval()(ids).logits)


def test_four_bits_hold_the_body_and_stand_for_as_many_weights(tmp_path: Path) -> None:
    whole = instantiate(ModelSource(model_of(tmp_path, "llama")).load(TEXTS, LABELS), 1)
    model = adapted(tmp_path, "llama", "qlora")
    layers = dict(quantized_layers(model))
    assert len(layers) == 2 * 7
    assert {layer.weight.dtype for layer in layers.values()} == {torch.uint8}
    assert model.score.weight.dtype == torch.float32
    own = sum(num_entries(parameter) for name, parameter in model.named_parameters() if "lora_" not in name)
    assert own == sum(parameter.numel() for parameter in whole.parameters())
    name = "model.layers.0.mlp.up_proj"
    difference = dequantized(layers[f"{name}.base_layer"].weight) - whole.get_submodule(name).weight.detach()
    assert 0 < float(difference.abs().max()) < 0.05


@pytest.mark.parametrize(("name", "variant"), [("bert", "lora"), ("llama", "qlora"), ("bert+mean", "qlora")])
def test_a_warm_run_with_adapters_is_a_cold_one(tmp_path: Path, name: str, variant: str) -> None:
    def config(seed: int) -> Any:
        return text_run(tmp_path, name, seed=seed, variants={variant: {}}, dropout=0.1)

    cold, cache = run(config(1)), RunCache()
    first = run(config(1), cache=cache)
    run(config(2), cache=cache)
    same(first, cold)
    same(run(config(1), cache=cache), cold)
    assert cold.columns["trainable_parameters"] < cold.columns["parameters"] / 2


@pytest.mark.parametrize(("name", "variant"), [("bert", "lora"), ("qwen2", "qlora"), ("modernbert+mean", "lora")])
def test_what_a_run_leaves_is_a_plain_model(tmp_path: Path, name: str, variant: str) -> None:
    outcome = run(text_run(tmp_path, name, variants={variant: {}}), keep=True)
    folder = saved(outcome, tmp_path / "saved")
    assert "quantization_config" not in (folder / "config.json").read_text()
    theirs = said_by_others(folder, outcome)
    assert theirs.tolist() == pytest.approx(outcome.predictions["probability"].tolist(), abs=1e-5)


def test_a_checkpoint_and_the_best_weights_hold_what_can_change_only(tmp_path: Path) -> None:
    model = adapted(tmp_path, "llama", "qlora")
    kept = {name: tensor.clone() for name, tensor in changing(model).items()}
    assert set(kept) == trainable(model)
    with torch.no_grad():
        for name in kept:
            model.get_parameter(name).add_(1.0)
    put_back(model, kept)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in changing(model).items())
    with pytest.raises(RuntimeError, match="weights of another model"):
        put_back(model, dict(list(kept.items())[1:]))
    plain = instantiate(ModelSource(model_of(tmp_path, "bert")).load(TEXTS, LABELS), 1)
    assert set(changing(plain)) == set(plain.state_dict())


def test_an_interrupted_run_with_quantised_weights_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_points, "INTERVAL_SECONDS", 0.0)
    config = text_run(tmp_path, "llama", variants={"qlora": {}}, dropout=0.1)
    folder = Folder.at(tmp_path / "checkpoints")
    assert run(config, control=StopAt(2), folder=folder).status == "stopped"
    same(run(config, folder=folder), run(config))


def test_adapters_go_on_from_the_weights_of_another_run(tmp_path: Path) -> None:
    saved(run(text_run(tmp_path, "bert", epochs=1), keep=True), tmp_path / "saved")
    start = Folder.at(tmp_path / "saved")
    config = text_run(tmp_path, "bert", variants={"qlora": {}}).model_copy(update={"init_from": "it"})
    begun, fresh = run(config, init_from=start), run(config.model_copy(update={"init_from": None}))
    assert begun.status in ("completed", "collapsed")
    assert begun.epochs["train_loss"][0] != fresh.epochs["train_loss"][0]
