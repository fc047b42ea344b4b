"""A head that a checkpoint brings: kept for the same task and labels, else drawn anew; it always trains."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from analysis.tables.folder import Folder
from tests.tiny import Family, tiny_model
from tests.trainables.runs import tiny_run
from trainables import registry
from trainables.config import ModelConfig
from trainables.modeling.heads import Outputs
from trainables.modeling.pretrained import ModelError, ModelSource, PretrainedModel, instantiate, new_parameters
from trainables.modeling.save_model import save
from trainables.modeling.saved_model import saved_task
from trainables.protocols.variant import adjust_model, plan_of, resolve_variants
from trainables.training.init_from import with_saved_weights
from trainables.training.run import run

LABELS = ("O", "Data", "Power")
WORDS, TEXTS, SPANS = (
    f"AutoModelFor{kind}" for kind in ("TokenClassification", "SequenceClassification", "QuestionAnswering")
)
SINGLE, MANY = "single_label_classification", "multi_label_classification"


def with_head(folder: Path, head: str, labels: tuple[str, ...], family: Family = "bert", **settings: Any) -> Path:
    """The tiny model of the family with a head, all of whose weights are 7, as somebody else trained it."""
    tiny_model(folder, family)
    names = dict(enumerate(labels))
    told = {"id2label": names, "label2id": {label: index for index, label in names.items()}, **settings}
    model = getattr(transformers, head).from_pretrained(folder, **told)
    inside = {id(weight) for weight in model.base_model.parameters()}
    with torch.no_grad():
        for weight in model.parameters():
            if id(weight) not in inside:
                weight.fill_(7.0)
    model.save_pretrained(folder)
    return folder


def load(
    folder: Path, head: str = WORDS, labels: tuple[str, ...] = LABELS, problem: str | None = None
) -> PretrainedModel:
    """The checkpoint as a run gets it."""
    return ModelSource(ModelConfig(name="tiny", source=str(folder))).load(head, labels, problem)


def sevens(model: torch.nn.Module) -> set[str]:
    """Weights that are those of the checkpoint's head."""
    return {name for name, weight in model.named_parameters() if torch.all(weight == 7.0)}


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta-v2", "modernbert", "llama"])
@pytest.mark.parametrize("labels", [("PER", "LOC", "ORG"), ("Power", "Data", "O"), ("a", "b", "c", "d", "e")])
def test_a_head_of_other_labels_is_as_if_it_had_not_been_there(
    tmp_path: Path, family: Family, labels: tuple[str, ...]
) -> None:
    bare = load(tiny_model(tmp_path / "bare", family), TEXTS)
    foreign = load(with_head(tmp_path / "foreign", TEXTS, labels, family), TEXTS)
    assert foreign.missing == bare.missing | foreign.head
    one, other = (instantiate(pretrained, 3) for pretrained in (bare, foreign))
    for name, weight in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], weight, rtol=0, atol=0)
    assert f"is for sequence classification ({', '.join(labels)}): a new one is drawn" in str(foreign.remark)
    assert bare.remark is None


def test_a_head_for_another_kind_of_task_is_drawn_anew_though_its_labels_are_called_the_same(tmp_path: Path) -> None:
    texts = with_head(tmp_path / "texts", TEXTS, LABELS, problem_type=MANY)
    assert sevens(instantiate(load(texts), 1)) == set()
    assert sevens(instantiate(load(texts, TEXTS, problem=SINGLE), 1)) == set()
    assert sevens(instantiate(load(texts, TEXTS, problem=MANY), 1)) == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_a_head_for_the_same_task_and_labels_is_kept(tmp_path: Path, family: Family) -> None:
    pretrained = load(with_head(tmp_path, TEXTS, LABELS, family), TEXTS)
    model = instantiate(pretrained, 1)
    assert sevens(model) == pretrained.head == set(new_parameters(model)) - pretrained.missing
    assert "classifier" in str(sorted(pretrained.head))
    assert "is this task's and is kept" in str(pretrained.remark)


def test_start_and_end_of_an_answer_are_the_same_outputs_whatever_they_are_called(tmp_path: Path) -> None:
    model = instantiate(load(with_head(tmp_path, SPANS, ("LABEL_0", "LABEL_1")), SPANS, ("start", "end")), 1)
    assert sevens(model) == {"qa_outputs.weight", "qa_outputs.bias"}


def test_what_a_pretrained_model_brings_before_its_output_stays_pretrained(tmp_path: Path) -> None:
    pretrained = load(with_head(tmp_path, "AutoModelForMaskedLM", (), "modernbert"))
    model = instantiate(pretrained, 1)
    assert sevens(model) == {"head.dense.weight", "head.norm.weight"}
    assert set(new_parameters(model)) == {"classifier.weight", "classifier.bias"}
    assert pretrained.remark is None


def test_a_model_that_guesses_pieces_has_no_head_of_a_task(tmp_path: Path) -> None:
    pretrained = load(with_head(tmp_path, "AutoModelForMaskedLM", ()), "AutoModelForMaskedLM", ())
    assert pretrained.head == new_parameters(instantiate(pretrained, 1)) == frozenset()
    assert "cls.predictions.bias" in sevens(pretrained.module)


@pytest.mark.parametrize("variant", ["lora", "qlora", "bitfit"])
@pytest.mark.parametrize("labels", [LABELS, ("PER", "LOC", "ORG"), ("a", "b", "c", "d", "e")])
def test_a_head_that_came_with_the_checkpoint_trains_beside_frozen_weights(
    tmp_path: Path, variant: str, labels: tuple[str, ...]
) -> None:
    if variant != "bitfit":
        pytest.importorskip("peft", reason="the adapters extra is not installed")
        pytest.importorskip("bitsandbytes", reason="the adapters extra is not installed")
    applied = resolve_variants({variant: {}}, lambda name: registry.load("variant", name))
    config = ModelConfig(name="tiny", source=str(with_head(tmp_path, WORDS, labels)))
    pretrained = ModelSource(config, quantization=plan_of(applied).quantization).load(WORDS, LABELS)
    model = adjust_model(instantiate(pretrained, 1), applied)
    trainable = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert {"classifier.weight", "classifier.bias"} <= trainable
    assert pretrained.head == new_parameters(model) == {"classifier.weight", "classifier.bias"}
    assert not [name for name in trainable if name.endswith("query.weight")]


def test_a_head_that_a_run_starts_with_trains_too_and_one_of_other_labels_is_left_behind(tmp_path: Path) -> None:
    config = tiny_run(tmp_path, epochs=1)
    outcome, best = run(config, keep=True), Folder.at(tmp_path / "best")
    assert outcome.kept is not None
    save(outcome.kept, best, {})
    bare = load(tmp_path / "bert")
    kept = with_saved_weights(bare, best.local_path, "token_classification", LABELS)
    assert (kept.missing, kept.remark) == (frozenset(), None)
    assert new_parameters(instantiate(kept, 1)) == {"classifier.weight", "classifier.bias"}
    other = with_saved_weights(load(tmp_path / "bert"), best.local_path, "token_classification", ("O", "Power", "Data"))
    assert other.missing == kept.head
    assert "is for token classification (O, Data, Power): a new one is drawn" in str(other.remark)


def test_a_run_says_and_records_that_it_drew_a_head_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_head(tmp_path / "bert", WORDS, ("PER", "LOC", "ORG"))
    with caplog.at_level(logging.WARNING, "trainables"):
        outcome = run(tiny_run(tmp_path, epochs=1), keep=True)
    said = "the head of the checkpoint is for token classification (PER, LOC, ORG): a new one is drawn for this task"
    assert f"tiny: {said}" in caplog.messages
    assert outcome.kept is not None
    save(outcome.kept, Folder.at(tmp_path / "best"), {})
    assert saved_task(tmp_path / "best")["head"] == said


def test_weights_of_the_body_that_do_not_fit_are_named_and_no_option_that_nobody_has(tmp_path: Path) -> None:
    config = ModelConfig(name="tiny", source=str(tiny_model(tmp_path)), overrides={"intermediate_size": 16})
    with pytest.raises(
        ModelError, match=r"cannot be loaded: bert\.encoder.* has the shape \(64.*\) there, \(16"
    ) as caught:
        ModelSource(config).load(WORDS, LABELS)
    assert "ignore_mismatched_sizes" not in str(caught.value)


def test_the_loss_of_the_task_and_not_of_the_checkpoint_is_in_the_configuration(tmp_path: Path) -> None:
    folder = with_head(tmp_path, TEXTS, LABELS, problem_type="regression")
    assert [load(folder, TEXTS, problem=given).module.config.problem_type for given in (SINGLE, None)] == [SINGLE, None]


def test_a_message_names_the_first_labels_only() -> None:
    assert str(Outputs("TokenClassification", tuple("abcdefg"))) == "token classification (a, b, c, d, e and 2 more)"
    assert str(Outputs(None, ("x",), MANY)) == "an unnamed task (x; multi label classification)"
