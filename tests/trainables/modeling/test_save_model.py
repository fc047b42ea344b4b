"""Saved weights: loadable by anyone, whole again in their vocabulary, and answering exactly as the run did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification, AutoTokenizer

from analysis.tables.folder import Folder
from tests.processes import in_processes
from tests.tiny import FAMILIES, SENTENCES, Family, tiny_items
from tests.trainables.runs import tiny_run
from trainables.config import RunConfig, SplitConfig
from trainables.data.dataset import Item
from trainables.modeling.pretrained import ModelError
from trainables.modeling.save_model import save
from trainables.modeling.saved_model import NotSaved, fetched, is_saved, saved_task, write_manifest
from trainables.tools.predictor import Predictor
from trainables.training.best_weights import LastEpochs
from trainables.training.outcome import Outcome
from trainables.training.run import run


def answer(folder: Path, items: Mapping[str, Sequence[Item]]) -> None:
    """In a process that trained nothing: what the saved runs in `folder` say to items of which only words are known."""
    for name, own in items.items():
        Predictor.load(folder / name / "best").predict(own).to_parquet(folder / name / "answers.parquet")


def saved_run(folder: Path, family: Family = "bert", **changes: Any) -> tuple[RunConfig, Outcome, Folder]:
    """A run whose best weights are saved in `folder/best`."""
    config = tiny_run(folder, family=family, **{"epochs": 8, "learning_rate": 5e-3, **changes})
    outcome, best = run(config, keep=True), Folder.at(folder / "best")
    assert outcome.kept is not None
    save(outcome.kept, best, {"run_id": "0" * 16})
    return config, outcome, best


def test_a_saved_run_answers_in_a_new_process_exactly_as_it_recorded(tmp_path: Path) -> None:
    recorded, items = {}, {}
    for family in FAMILIES:
        table = saved_run(tmp_path / family, family)[1].predictions
        items[family] = [item for item in tiny_items() if str(item["id"]) in set(table["item"])]
        recorded[family] = table
    asked = {family: [{"id": item["id"], "words": item["words"]} for item in found] for family, found in items.items()}
    in_processes(answer, [(tmp_path, asked)])
    for family, table in recorded.items():
        answers = pd.read_parquet(tmp_path / family / "answers.parquet")
        names = ["item", "position", "predicted", "pieces"]
        pd.testing.assert_frame_equal(answers[names], table[names])
        assert table["predicted"].nunique() > 1, family
        assert answers["word"].tolist() == [word for item in items[family] for word in item["words"]]
        assert not {"gold", "correct"} & set(answers)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_folder_is_one_that_transformers_loads_with_its_whole_vocabulary(tmp_path: Path, family: Family) -> None:
    config, _, best = saved_run(tmp_path, family)
    model = AutoModelForTokenClassification.from_pretrained(best.path)
    tokenizer = AutoTokenizer.from_pretrained(best.path)
    original = AutoModelForTokenClassification.from_pretrained(config.model.source, num_labels=3)
    before, after = (found.get_input_embeddings().weight for found in (original, model))
    assert before.shape == after.shape
    unused = (before == after).all(dim=1)
    assert 0 < unused.sum() < len(unused)  # rows of words that do not occur are those of the checkpoint
    assert model.config.pad_token_id == original.config.pad_token_id == tokenizer.pad_token_id
    assert model.config.id2label == {0: "O", 1: "Data", 2: "Power"}
    assert len(tokenizer(SENTENCES[0])["input_ids"]) > 10


def test_the_best_epoch_is_what_is_saved_and_not_the_last(tmp_path: Path) -> None:
    _, outcome, best = saved_run(tmp_path, epochs=5, learning_rate=3e-2)
    assert outcome.columns["best_epoch"] == int(outcome.epochs["metric_weighted_f1"].idxmax()) + 1
    answers = Predictor.load(fetched(best)).predict(tiny_items())
    recorded = outcome.predictions.set_index(["item", "position"])["predicted"]
    assert answers.set_index(["item", "position"])["predicted"].loc[recorded.index].tolist() == recorded.tolist()


def test_it_says_what_it_was_trained_for(tmp_path: Path) -> None:
    config, _, best = saved_run(tmp_path)
    content = saved_task(best.local_path)
    assert content["task"] == "token_classification"
    assert content["labels"] == ["O", "Data", "Power"]
    assert (content["max_length"], content["run_id"]) == (64, "0" * 16)
    assert RunConfig.model_validate_json(json.dumps(content["config"])) == config


def test_a_text_is_split_at_white_space_and_unknown_labels_are_not_looked_at(tmp_path: Path) -> None:
    _, _, best = saved_run(tmp_path)
    predictor = Predictor.load(fetched(best))
    text = predictor.predict([{"text": "The power bus"}, {"text": "telemetry"}])
    assert text["word"].tolist() == ["The", "power", "bus", "telemetry"]
    assert text["item"].tolist() == ["1", "1", "1", "2"]
    words = predictor.predict([{"words": ["The", "power", "bus"], "labels": ["X", "Y", "Z"]}])
    assert words["predicted"].tolist() == text["predicted"].tolist()[:3]


def test_a_changed_or_unfinished_folder_is_refused(tmp_path: Path) -> None:
    _, _, best = saved_run(tmp_path)
    with pytest.raises(NotSaved, match="no weights were saved here"):
        fetched(Folder.at(tmp_path / "elsewhere"))
    best.write("config.json", best.read("config.json") + b" ")
    with pytest.raises(NotSaved, match=r"config\.json: is not the file that was saved"):
        fetched(best)
    best.delete("manifest.json")
    assert not is_saved(best)


def test_weights_in_an_object_store_are_copied_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = tiny_run(tmp_path, epochs=1)
    outcome, best = run(config, keep=True), Folder.at("memory://bucket/best")
    assert outcome.kept is not None
    save(outcome.kept, best, {})
    place = fetched(best)
    assert place.is_relative_to(tmp_path / "cache")
    assert len(Predictor.load(place).predict([{"text": "power"}])) == 1
    (place / "config.json").write_text("{}")
    assert json.loads((fetched(best) / "config.json").read_text())["model_type"] == "bert"


def test_a_run_that_starts_from_weights_of_another_task_takes_the_encoder_only(tmp_path: Path) -> None:
    config, _, best = saved_run(tmp_path)
    renamed = config.model_copy(update={"split": SplitConfig(validation=0.25, seed=7), "init_from": "0" * 16})
    still = renamed.model_copy(update={"train": config.train.model_copy(update={"learning_rate": 1e-12, "epochs": 1})})
    same = run(still, init_from=best, keep=True)
    assert same.kept is not None
    trained = AutoModelForTokenClassification.from_pretrained(best.path)
    assert torch.allclose(same.kept.module.classifier.weight, trained.classifier.weight, atol=1e-6)
    (tmp_path / "best" / "task.json").write_text(
        json.dumps({**saved_task(best.local_path), "labels": ["O", "Power", "Data"]})
    )
    write_manifest(tmp_path / "best")
    other = run(still, init_from=best, keep=True)
    assert other.kept is not None
    assert not torch.allclose(other.kept.module.classifier.weight, trained.classifier.weight, atol=1e-3)
    query = "encoder.layer.0.attention.self.query.weight"
    assert torch.allclose(other.kept.module.bert.get_parameter(query), trained.bert.get_parameter(query), atol=1e-6)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    _, _, best = saved_run(tmp_path / "a")
    for family, change in (("roberta", {}), ("bert", {"hidden_size": 64})):
        config = tiny_run(tmp_path / family, family=family, model={"overrides": change, "random_init": bool(change)})
        with pytest.raises(ModelError, match="has another architecture"):
            run(config.model_copy(update={"init_from": "0" * 16}), init_from=best)


def test_a_model_of_random_weights_is_saved_whole_too(tmp_path: Path) -> None:
    _, _, best = saved_run(tmp_path, model={"random_init": True})
    model = AutoModelForTokenClassification.from_pretrained(best.path)
    assert torch.isfinite(model.get_input_embeddings().weight).all()
    again = saved_run(tmp_path / "again", model={"random_init": True})[2]
    assert again.read("model.safetensors") == best.read("model.safetensors")


def test_an_adapted_model_fills_masks(tmp_path: Path) -> None:
    from tests.trainables.tasks.test_masked_lm import text_run

    outcome, best = run(text_run(tmp_path, epochs=1), keep=True), Folder.at(tmp_path / "best")
    assert outcome.kept is not None
    save(outcome.kept, best, {})
    model, tokenizer = (found.from_pretrained(best.path) for found in (AutoModelForMaskedLM, AutoTokenizer))
    assert model(**tokenizer("the power [MASK] .", return_tensors="pt")).logits.shape[-1] == len(tokenizer)
    table = Predictor.load(fetched(best)).predict([{"text": SENTENCES[0]}])
    assert (table["masked"] > 0).all()


def test_the_last_epochs_stay_as_models_of_their_own_and_training_does_not_notice(tmp_path: Path) -> None:
    plain = run(tiny_run(tmp_path, epochs=3, learning_rate=5e-3))
    kept = Folder.at(tmp_path / "epochs")
    outcome = run(tiny_run(tmp_path, epochs=3, learning_rate=5e-3), last_epochs=LastEpochs(kept, 2, {"run_id": "1"}))
    assert kept.names() == ["epoch-0002", "epoch-0003"]
    pd.testing.assert_frame_equal(outcome.predictions, plain.predictions)
    losses = []
    for name in kept.names():
        folder = fetched(kept.child(name))
        content = saved_task(folder)
        losses.append(content["scores"]["eval_loss"])
        assert (content["run_id"], f"epoch-{content['epoch']:04d}") == ("1", name)
        assert AutoModelForTokenClassification.from_pretrained(folder).num_labels == 3
    assert losses == outcome.epochs["eval_loss"].tolist()[1:]
    answers = Predictor.load(fetched(kept.child("epoch-0003"))).predict(tiny_items())
    assert len(answers) == sum(len(item["words"]) for item in tiny_items())


def test_an_adapter_of_an_epoch_is_merged_into_a_copy_and_goes_on_training(tmp_path: Path) -> None:
    config = tiny_run(tmp_path, epochs=2, learning_rate=5e-3)
    config = config.model_copy(update={"variants": {"lora": {"rank": 2}}})
    kept = Folder.at(tmp_path / "epochs")
    outcome, plain = run(config, last_epochs=LastEpochs(kept, 1)), run(config)
    pd.testing.assert_frame_equal(outcome.predictions, plain.predictions)
    assert kept.names() == ["epoch-0002"]
    weights = AutoModelForTokenClassification.from_pretrained(kept.child("epoch-0002").path).state_dict()
    assert not [name for name in weights if "lora" in name]


def test_a_full_disk_costs_the_model_of_an_epoch_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "adopt", full)
    kept = Folder.at(tmp_path / "epochs")
    outcome = run(tiny_run(tmp_path, epochs=1), last_epochs=LastEpochs(kept, 1))
    assert outcome.status in ("completed", "collapsed")
    assert kept.names() == []
    assert "the model of epoch 1 is not kept" in caplog.text
