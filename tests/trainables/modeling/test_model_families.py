"""Every family, through one contract: it loads, a step lowers the loss, it is scored, saved, and loaded by others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from analysis.tables.folder import Folder
from tests.tiny import DECODERS, ENCODERS, SENTENCES, Family, tiny_model
from tests.trainables.tasks.texts import tiny_texts
from tests.trainables.text_runs import model_of, text_run
from trainables import architectures
from trainables.config import ModelConfig
from trainables.modeling.pretrained import ModelError, ModelSource, instantiate, load_tokenizer
from trainables.modeling.save_model import save
from trainables.training.outcome import Outcome
from trainables.training.run import run

LABELS = ("data", "power", "thermal")
TEXTS = "AutoModelForSequenceClassification"
POOLED = ("bert+mean", "modernbert+mean")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def saved(outcome: Outcome, folder: Path) -> Path:
    """The folder that the run leaves."""
    assert outcome.kept is not None
    save(outcome.kept, Folder.at(folder), {})
    return folder


def said_by_others(folder: Path, outcome: Outcome) -> torch.Tensor:
    """Probabilities that plain transformers code computes from a saved folder, for the items of the predictions."""
    architectures.register()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    items = tiny_texts()
    texts = [items[int(number)]["text"] for number in outcome.predictions["item"]]
    inputs = tokenizer(texts, ["which topic ?"] * len(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**inputs).logits.softmax(-1).max(-1).values


@pytest.mark.parametrize("name", [*ENCODERS, *POOLED, *DECODERS, "feed-forward"])
def test_a_family_learns_and_what_it_leaves_says_the_same_elsewhere(tmp_path: Path, name: str) -> None:
    outcome = run(text_run(tmp_path, name), keep=True)
    assert outcome.status in ("completed", "collapsed")
    losses = outcome.epochs["eval_loss"].tolist()
    assert losses[1] < losses[0]
    assert outcome.columns["trainable_parameters"] == outcome.columns["parameters"]
    theirs = said_by_others(saved(outcome, tmp_path / "saved"), outcome)
    assert theirs.tolist() == pytest.approx(outcome.predictions["probability"].tolist(), abs=1e-5)


@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_reads_the_last_real_piece_whatever_is_padded(tmp_path: Path, family: Family) -> None:
    config = ModelConfig(name=family, source=str(tiny_model(tmp_path, family)))
    model, tokenizer = instantiate(ModelSource(config).load(TEXTS, LABELS), 1).eval(), load_tokenizer(config)
    assert tokenizer.padding_side == "right"
    texts = [SENTENCES[0], "power", f"the bus {tokenizer.eos_token}"]
    together = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**together).logits
        for row, text in enumerate(texts):
            alone = torch.tensor([tokenizer(text)["input_ids"]])
            torch.testing.assert_close(logits[row], model(input_ids=alone).logits[0], atol=1e-5, rtol=1e-4)


def test_a_decoder_without_a_padding_token_pads_with_the_end_of_text_and_its_model_knows(tmp_path: Path) -> None:
    config = ModelConfig(name="llama", source=str(tiny_model(tmp_path, "llama")))
    tokenizer = load_tokenizer(config)
    assert tokenizer.pad_token == tokenizer.eos_token == "<|end_of_text|>"
    configuration = ModelSource(config).configuration(LABELS)
    assert configuration.pad_token_id == tokenizer.pad_token_id
    assert configuration.use_cache is False
    other = config.model_copy(update={"tokenizer": {"pad_token": "<|begin_of_text|>"}})
    assert ModelSource(other).configuration(LABELS).pad_token_id == tokenizer.bos_token_id


@pytest.mark.parametrize("name", POOLED)
def test_mean_pooling_is_the_mean_over_the_pieces_that_are_not_padding(tmp_path: Path, name: str) -> None:
    model: Any = instantiate(ModelSource(model_of(tmp_path, name), attention="eager").load(TEXTS, LABELS), 1)
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 3, 3]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    hidden = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    mean = torch.stack([hidden[0].mean(0), hidden[1, :2].mean(0)])
    torch.testing.assert_close(model(input_ids=ids, attention_mask=mask).logits, model.classifier(mean))
    assert not [name for name, _ in model.named_parameters() if "pooler" in name]


def test_pooling_is_part_of_what_is_saved_and_plain_tools_refuse_to_guess(tmp_path: Path) -> None:
    folder = saved(run(text_run(tmp_path, "bert+mean", epochs=1), keep=True), tmp_path / "saved")
    assert (folder / "mean_pooling.py").is_file()
    again = ModelSource(ModelConfig(name="again", source=str(folder), pooling="mean")).load(TEXTS, LABELS)
    assert again.missing == frozenset()


@pytest.mark.parametrize(
    ("name", "head", "reason"),
    [
        ("feed-forward", "AutoModelForTokenClassification", "feed-forward has no head for token classification"),
        ("feed-forward", "AutoModelForQuestionAnswering", "feed-forward has no head for question answering"),
        ("llama", "AutoModelForMaskedLM", "llama has no head for masked lm"),
        ("bert", "AutoModelForCausalLM", "bert is an encoder: it cannot write text"),
    ],
)
def test_a_head_that_an_architecture_lacks_is_named(tmp_path: Path, name: str, head: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        ModelSource(model_of(tmp_path, name), texts=lambda: ["a b"]).load(head, LABELS)


def test_the_bag_of_embeddings_knows_no_order_and_no_padding(tmp_path: Path) -> None:
    source = ModelSource(model_of(tmp_path, "feed-forward"), texts=lambda: SENTENCES)
    model, tokenizer = instantiate(source.load(TEXTS, LABELS), 1).eval(), source.tokenizer()
    one, other = (tokenizer(text, return_tensors="pt")["input_ids"] for text in ("the power bus", "bus power the"))
    padded = torch.cat([one, torch.zeros(1, 3, dtype=torch.long)], dim=1)
    expected = model(input_ids=one).logits
    torch.testing.assert_close(model(input_ids=other).logits, expected)
    torch.testing.assert_close(model(input_ids=padded, attention_mask=(padded > 0).long()).logits, expected)
