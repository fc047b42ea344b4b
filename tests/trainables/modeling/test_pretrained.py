"""Models load safely and the same everywhere: what a checkpoint lacks comes from the run's seed and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny import FAMILIES, Family, tiny_model
from trainables.config import ModelConfig
from trainables.modeling.pretrained import ModelError, ModelSource, PretrainedModel, instantiate, load_tokenizer

LABELS = ("O", "Data", "Power")
AUTO = "AutoModelForTokenClassification"


def _config(folder: Path, **changes: Any) -> ModelConfig:
    return ModelConfig(name="tiny", source=str(folder), **changes)


def _load(folder: Path, **changes: Any) -> PretrainedModel:
    return ModelSource(_config(folder, **changes)).load(AUTO, LABELS)


def _same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_with_a_new_head_only(tmp_path: Path, family: Family) -> None:
    pretrained = _load(tiny_model(tmp_path / family, family))
    assert {"classifier.weight", "classifier.bias"} <= pretrained.missing
    assert not [name for name in pretrained.missing if name.split(".")[0] not in ("classifier", "head")]
    assert all(parameter.dtype == torch.float32 for parameter in pretrained.module.parameters())
    config: Any = pretrained.module.config
    assert config.num_labels == 3
    assert config.id2label[2] == "Power"
    assert config._attn_implementation == ("eager" if family == "deberta-v2" else "sdpa")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_copy_depends_on_the_seed_and_on_nothing_else(tmp_path: Path, family: Family) -> None:
    folder = tiny_model(tmp_path / family, family)
    torch.manual_seed(1)
    first = instantiate(_load(folder), 7)
    torch.manual_seed(2)
    warm = _load(folder)
    other = instantiate(warm, 8)
    again = instantiate(warm, 7)
    assert _same(first, again)
    assert not torch.equal(first.state_dict()["classifier.weight"], other.state_dict()["classifier.weight"])


def test_changing_a_copy_leaves_the_pristine_model_alone(tmp_path: Path) -> None:
    pretrained = _load(tiny_model(tmp_path / "bert"))
    copy = instantiate(pretrained, 7)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.add_(1.0)
    assert _same(instantiate(pretrained, 7), instantiate(_load(tmp_path / "bert"), 7))


def test_loading_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "bert")
    state = torch.get_rng_state()
    instantiate(_load(folder), 7)
    instantiate(_load(folder, random_init=True), 7)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_weights_follow_the_usual_initialisation(tmp_path: Path, family: Family) -> None:
    folder = tiny_model(tmp_path / family, family)
    pretrained = _load(folder, random_init=True)
    module = instantiate(pretrained, 3)
    parameters = dict(module.named_parameters())
    assert set(parameters) == pretrained.missing
    for name, parameter in parameters.items():
        values = parameter.detach()
        if "norm" in name.lower() and name.endswith("weight"):
            assert torch.all(values == 1.0)
        elif name.endswith("bias"):
            assert torch.all(values == 0.0)
        else:
            assert float(values.std()) == pytest.approx(0.02, rel=0.25)
    padding = module.get_input_embeddings().padding_idx  # type: ignore[operator]
    assert torch.all(module.get_input_embeddings().weight[padding] == 0.0)  # type: ignore[operator]


def test_overrides_cut_layers_and_dropout_reaches_every_probability(tmp_path: Path) -> None:
    source = ModelSource(_config(tiny_model(tmp_path / "bert"), overrides={"num_hidden_layers": 1}), dropout=0.25)
    module: Any = source.load(AUTO, LABELS).module
    assert len(module.bert.encoder.layer) == 1
    assert module.config.hidden_dropout_prob == module.config.attention_probs_dropout_prob == 0.25
    assert {layer.p for layer in module.modules() if isinstance(layer, torch.nn.Dropout)} == {0.25}


def test_the_attention_kernel_can_be_chosen_where_the_architecture_has_it(tmp_path: Path) -> None:
    bert = ModelSource(_config(tiny_model(tmp_path / "bert")), attention="eager").load(AUTO, LABELS)
    config: Any = bert.module.config
    assert config._attn_implementation == "eager"
    deberta = ModelSource(_config(tiny_model(tmp_path / "deberta", "deberta-v2")), attention="sdpa")
    with pytest.raises(ModelError, match=r"tiny: .*does not support"):
        deberta.load(AUTO, LABELS)


@pytest.mark.parametrize("family", ["roberta", "modernbert"])
def test_a_prefix_space_reaches_the_core_of_the_tokenizer(tmp_path: Path, family: Family) -> None:
    folder = tiny_model(tmp_path / family, family)
    words = [["The", "power", "bus"]]
    with_space = load_tokenizer(_config(folder, tokenizer={"add_prefix_space": True}))
    without = load_tokenizer(_config(folder))
    assert all(piece.startswith("Ġ") for piece in _first_pieces(with_space, words))
    assert not any(piece.startswith("Ġ") for piece in _first_pieces(without, words))


def _first_pieces(tokenizer: Any, words: list[list[str]]) -> list[str]:
    encoding = tokenizer(words, is_split_into_words=True).encodings[0]
    places = np.array([-1 if word is None else word for word in encoding.word_ids])
    return [encoding.tokens[int(np.flatnonzero(places == word)[0])] for word in range(len(words[0]))]


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "bert")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled weights .* can run code and are refused: save them as safetensors"):
        _load(folder)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    folder, other = tiny_model(tmp_path / "bert"), tiny_model(tmp_path / "modernbert", "modernbert")
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match="holds none of the weights of bert"):
        _load(folder)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        _load(tiny_model(tmp_path / "bert"), overrides={"hidden_size": 16})


def test_an_unknown_override_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"overrides\.num_layerz: bert has no such setting"):
        _load(tiny_model(tmp_path / "bert"), overrides={"num_layerz": 1})


def test_a_truncated_weights_file_is_an_error_about_the_model(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "bert")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"tiny: .*cannot be loaded"):
        _load(folder)


def test_code_of_a_model_repository_never_runs_unasked(tmp_path: Path) -> None:
    folder, canary = tiny_model(tmp_path / "bert"), tmp_path / "canary"
    (folder / "own.py").write_text(f"open({str(canary)!r}, 'w')\n", encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", AUTO: "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded"):
        _load(folder)
    assert not canary.exists()


def test_remote_code_needs_a_pinned_commit() -> None:
    config = ModelConfig(name="own", source="owner/name", revision="main", trust_remote_code=True)
    with pytest.raises(ModelError, match="also needs a pinned revision"):
        ModelSource(config).load(AUTO, LABELS)
