"""Masked language modelling: chunks lose no piece, masks depend on seed and row alone, the loss is that of torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from analysis.tables.folder import Folder
from tests.tiny import FAMILIES, SENTENCES, Family, tiny_model
from tests.trainables.runs import StopAt, tiny_run
from trainables.config import DataConfig, ModelConfig, RunConfig, SplitConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.dataset import DataError
from trainables.data.features import Features
from trainables.data.load import load_corpus
from trainables.modeling.pretrained import ModelSource, load_tokenizer
from trainables.tasks._masking import most_masked, num_masked, random_bits
from trainables.tasks._windows import Frame, chunked
from trainables.tasks.masked_lm import NO_LABEL, TASK
from trainables.training import control_points
from trainables.training.run import ComputeOptions, run

ITEMS = [{"id": number, "text": text} for number, text in enumerate(SENTENCES * 3)]
CPU = torch.device("cpu")


def features_of(folder: Path, family: Family = "bert", max_length: int = 24, **options: Any) -> tuple[Features, Any]:
    """Features of the sentences, and the tokenizer that made them."""
    model = ModelConfig(name="tiny", source=str(tiny_model(folder, family)))
    tokenizer = load_tokenizer(model)
    return TASK.configured(options).encode(ITEMS, tokenizer, (), max_length), tokenizer


def masked(features: Features, rows: Sequence[int], seed: int, **options: Any) -> dict[str, torch.Tensor]:
    """A batch of these rows as one pass sees it."""
    chosen = np.array(rows)
    return TASK.configured(options).augment(BatchLoader(features, CPU).batch(chosen), chosen, seed)


def test_texts_fill_chunks_with_a_separator_between_and_no_piece_is_lost() -> None:
    frame = Frame(before=(1,), after=(2,))
    chunks = chunked([[10, 11, 12], [], [20, 21], [30]], frame, max_length=6, chunking="concatenate")
    assert [chunks.tokens.row(0).tolist(), chunks.tokens.row(1).tolist()] == [
        [1, 10, 11, 12, 2, 2],
        [1, 20, 21, 2, 30, 2],
    ]
    assert [chunks.is_text.row(0).tolist(), chunks.is_text.row(1).tolist()] == [[0, 1, 1, 1, 0, 0], [0, 1, 1, 0, 1, 0]]
    assert chunks.owner.tolist() == [0, 2]


def test_line_by_line_every_text_begins_a_chunk_and_a_long_one_gives_several() -> None:
    chunks = chunked([[10, 11, 12, 13, 14], [20]], Frame((1,), (2,)), max_length=5, chunking="line")
    assert [chunks.tokens.row(row).tolist() for row in range(3)] == [[1, 10, 11, 12, 2], [1, 13, 14, 2], [1, 20, 2]]
    assert chunks.owner.tolist() == [0, 0, 1]


def test_a_length_without_room_for_text_is_refused() -> None:
    with pytest.raises(ValueError, match="max_length 2 leaves no room beside 2 special tokens"):
        chunked([[1]], Frame((1,), (2,)), max_length=2, chunking="line")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunking", ["concatenate", "line"])
def test_all_pieces_of_all_texts_are_there_once_in_order(tmp_path: Path, family: Family, chunking: str) -> None:
    features, tokenizer = features_of(tmp_path, family, chunking=chunking)
    candidates = features.columns["labels"].values
    expected = [piece for item in ITEMS for piece in tokenizer(item["text"], add_special_tokens=False)["input_ids"]]
    assert candidates[candidates != NO_LABEL].tolist() == expected
    assert features.lengths.max() == 24


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (3, 1), (10, 2), (100, 15), (510, 77)])
def test_the_share_is_rounded_to_a_whole_number_of_pieces_and_at_least_one(count: int, expected: int) -> None:
    assert num_masked(count, 0.15) == expected
    assert most_masked(count, 0.15) >= expected


def test_exactly_the_announced_number_of_pieces_is_hidden_and_never_a_special_one(tmp_path: Path) -> None:
    features, tokenizer = features_of(tmp_path)
    for seed in range(5):
        batch = masked(features, range(len(features)), seed)
        labels, positions = batch["labels"], batch["positions"]
        assert (labels != NO_LABEL).sum(dim=1).tolist() == features.terms.tolist()
        special = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id])
        assert not torch.isin(labels[labels != NO_LABEL], special).any()
        assert all(len(set(row.tolist())) == len(row) for row in positions)


def test_the_mask_of_a_row_depends_on_seed_and_row_and_not_on_its_batch(tmp_path: Path) -> None:
    features, _ = features_of(tmp_path, chunking="line")
    assert len(set(features.lengths.tolist())) > 1
    together, last = masked(features, range(len(features)), seed=7), len(features) - 1
    for row in (0, 3, last):
        length = int(features.lengths[row])
        alone, other = masked(features, [row], seed=7), masked(features, [row], seed=8)
        assert torch.equal(alone["input_ids"][0, :length], together["input_ids"][row, :length])
        assert not torch.equal(alone["positions"], other["positions"])
    assert not torch.equal(together["positions"][0], together["positions"][1])


def test_of_the_hidden_pieces_eight_in_ten_are_masked_and_one_in_ten_is_another(tmp_path: Path) -> None:
    features, tokenizer = features_of(tmp_path, mask=0.5)
    counts = np.zeros(3)
    for seed in range(60):
        batch = masked(features, range(len(features)), seed, mask=0.5)
        seen = batch["input_ids"].gather(1, batch["positions"])[batch["labels"] != NO_LABEL]
        gold = batch["labels"][batch["labels"] != NO_LABEL]
        counts += [(seen == tokenizer.mask_token_id).sum(), (seen == gold).sum(), len(gold)]
    share = counts[:2] / counts[2]
    deviation = math.sqrt(0.16 / counts[2])
    assert abs(share[0] - 0.8) < 5 * deviation + 1 / len(tokenizer)
    assert abs(share[1] - 0.1) < 5 * deviation + 1 / len(tokenizer)


def test_every_piece_is_hidden_equally_often(tmp_path: Path) -> None:
    features, _ = features_of(tmp_path, mask=0.25)
    draws = 400
    hits = torch.zeros(24)
    for seed in range(draws):
        batch = masked(features, [0], seed, mask=0.25)
        hits[batch["positions"][0, : int(features.terms[0])]] += 1
    candidates = features.columns["labels"].row(0) != NO_LABEL
    expected = draws * float(features.terms[0]) / candidates.sum()
    assert hits[~torch.from_numpy(candidates)].sum() == 0
    assert (hits[torch.from_numpy(candidates)] - expected).abs().max() < 5 * math.sqrt(expected)


def test_random_bits_are_uniform_and_of_no_pattern() -> None:
    bits = random_bits(torch.arange(200), 50, seed=3, stream=0).numpy()
    assert bits.min() >= 0
    assert len(np.unique(bits)) == bits.size
    share = (bits >> 62).mean()
    assert abs(share - 0.5) < 5 * math.sqrt(0.25 / bits.size)
    neighbours = np.corrcoef(bits[:, :-1].ravel().astype(float), bits[:, 1:].ravel().astype(float))[0, 1]
    assert abs(neighbours) < 0.05


def test_the_loss_is_torchs_cross_entropy_over_the_hidden_pieces(tmp_path: Path) -> None:
    features, tokenizer = features_of(tmp_path)
    batch = masked(features, range(4), seed=1)
    logits = torch.randn(4, batch["input_ids"].shape[1], len(tokenizer), generator=torch.Generator().manual_seed(0))
    expected = sum(
        torch.nn.functional.cross_entropy(logits[row, place], label, reduction="sum").item()
        for row in range(4)
        for place, label in zip(batch["positions"][row], batch["labels"][row], strict=True)
        if label != NO_LABEL
    )
    outputs = SimpleNamespace(logits=logits)
    assert TASK.loss(outputs, batch).item() == pytest.approx(expected, rel=1e-5)
    found = TASK.outputs(outputs, batch, torch.nn.Identity())
    assert found["loss"].sum().item() == pytest.approx(expected, rel=1e-5)
    assert found["masked"].tolist() == features.terms[:4].tolist()


def test_perplexity_is_the_exponential_of_the_mean_loss_over_hidden_pieces() -> None:
    import pandas as pd

    table = pd.DataFrame({"loss": [2.0, 4.0], "masked": [1, 2], "guessed": [1, 0]})
    assert TASK.score(table) == {"loss": 2.0, "perplexity": pytest.approx(math.e**2), "masked_accuracy": 1 / 3}


def text_run(folder: Path, **changes: Any) -> RunConfig:
    """A run of a tiny model on lines of text."""
    config = tiny_run(folder, **{"epochs": 3, "max_length": 24, **changes})
    (folder / "text.txt").write_text("\n".join(item["text"] for item in ITEMS), encoding="utf-8")
    data = DataConfig(path=str(folder / "text.txt"))
    return config.model_copy(update={"task": "masked_lm", "data": data, "direction": "minimize"})


def test_a_run_learns_and_reports_perplexity_and_its_best_epoch_has_the_lowest_loss(tmp_path: Path) -> None:
    outcome = run(text_run(tmp_path, epochs=4, learning_rate=1e-2))
    losses = outcome.epochs["metric_loss"]
    assert outcome.status == "completed"
    assert outcome.epochs["train_loss"].iloc[-1] < outcome.epochs["train_loss"].iloc[0]
    assert outcome.columns["score"] == losses.min() < losses.iloc[0]
    assert outcome.epochs["eval_loss"].tolist() == pytest.approx(losses.tolist(), rel=1e-5)
    assert outcome.columns["metric_perplexity"] == pytest.approx(math.exp(losses.min()))
    assert outcome.predictions["predicted"].isna().all()


def test_accumulated_micro_batches_see_the_same_masks(tmp_path: Path) -> None:
    config = text_run(tmp_path, epochs=2)
    whole, parts = run(config), run(config, layout=ComputeOptions(accumulation=4))
    assert whole.epochs["train_loss"].tolist() == pytest.approx(parts.epochs["train_loss"].tolist(), rel=1e-5)


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_points, "INTERVAL_SECONDS", 0.0)
    config, folder = text_run(tmp_path), Folder.at(tmp_path / "checkpoints")
    assert run(config, folder=folder, control=StopAt(2)).status == "stopped"
    resumed, whole = run(config, folder=folder), run(config)
    assert resumed.epochs["train_loss"].tolist() == whole.epochs["train_loss"].tolist()
    assert resumed.columns["score"] == whole.columns["score"]


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([{"id": 1}], "there is no text"),
        ([{"id": 1, "text": 3}], "text must be text, got int"),
        ([{"id": 1, "text": " "}], "white space"),
    ],
)
def test_items_without_text_are_refused(items: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        TASK.check(items)


def test_a_model_that_cannot_mask_is_refused(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(ModelConfig(name="tiny", source=str(tiny_model(tmp_path))))
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match="has no mask token"):
        TASK.encode(ITEMS, tokenizer, (), 24)


def test_the_head_is_tied_to_the_embedding(tmp_path: Path) -> None:
    source = ModelSource(ModelConfig(name="tiny", source=str(tiny_model(tmp_path))))
    module: Any = TASK.build_model(source, ()).module
    assert module.get_output_embeddings().weight is module.get_input_embeddings().weight


@pytest.mark.real_data
@pytest.mark.skipif("ORCHESTRATE_DATA" not in os.environ, reason="ORCHESTRATE_DATA is not set")
def test_space_wiki_is_the_published_text() -> None:
    items = load_corpus(DataConfig(name="space-wiki"), offline=True).items
    assert (len(items), len({item["cluster"] for item in items})) == (7_863, 255)
    assert sum(len(item["text"].split()) for item in items) == 563_555


def test_text_lines_and_json_paragraphs_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\n\nthree\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in ("one two", "three")))
    found = [load_corpus(DataConfig(path=str(tmp_path / name))).items for name in ("a.txt", "a.jsonl")]
    assert [[item["text"] for item in items] for items in found] == [["one two", "three"]] * 2


def test_a_split_keeps_every_chunk_on_one_side(tmp_path: Path) -> None:
    config = text_run(tmp_path, epochs=1, split=SplitConfig(validation=0.25))
    outcome = run(config)
    assert outcome.columns["train_items"] + outcome.columns["evaluation_items"] <= len(ITEMS)
    assert outcome.predictions[["item", "position"]].duplicated().sum() == 0
