"""Without padding an encoder gives the same numbers for every piece, and computes on nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from analysis.tables.folder import Folder
from tests.tiny import Family
from tests.trainables.runs import tiny_run
from tests.trainables.text_runs import model_of, text_run
from trainables import registry
from trainables.config import ModelConfig
from trainables.modeling import unpadding
from trainables.modeling.pretrained import ModelSource, instantiate
from trainables.modeling.save_model import save
from trainables.modeling.unpadding import ATTENTION, Packed, attend, by_kernel, stack_of, unpad
from trainables.protocols.variant import NoEffect, Subject
from trainables.tools.predictor import Predictor
from trainables.tools.profile import operations_per_token, positions
from trainables.training.distributed import ProcessGroup
from trainables.training.run import run, training_for
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache
from trainables.variants import unpadding as variant

TEXTS = "AutoModelForSequenceClassification"
LENGTHS = (3, 7, 7, 1, 5)
CPU = torch.device("cpu")


def batch_of(lengths: tuple[int, ...], left: bool = False) -> dict[str, torch.Tensor]:
    """Random pieces, padded to the longest."""
    width = max(lengths)
    mask = torch.tensor([[1] * length + [0] * (width - length) for length in lengths])
    mask = mask.flip(1) if left else mask
    ids = torch.randint(6, 40, mask.shape, generator=torch.Generator().manual_seed(3))
    return {"input_ids": torch.where(mask == 1, ids, 0), "attention_mask": mask}


def both(config: ModelConfig) -> tuple[Any, Any]:
    """The same model as it comes and without padding, in training mode without dropout."""
    padded, packed = (
        instantiate(ModelSource(config, attention=name, dropout=0.0).load(TEXTS, ("a", "b")), 1).train()
        for name in ("eager", ATTENTION)
    )
    stack = stack_of(packed)
    assert stack is not None
    unpad(stack)
    return padded, packed


def gradients(model: Any) -> dict[str, torch.Tensor]:
    """Of all parameters that have one."""
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


CASES = [*((name, False) for name in ("bert", "roberta", "distilbert", "electra", "bert+mean")), ("bert+mean", True)]


@pytest.mark.parametrize(("name", "left"), CASES)
def test_outputs_and_gradients_are_those_of_the_padded_model(tmp_path: Path, name: Family, left: bool) -> None:
    padded, packed = both(model_of(tmp_path, name))
    if name == "roberta":  # which counts positions from its padding index on
        padded.config.pad_token_id = packed.config.pad_token_id = 0
    for batch in (batch_of(LENGTHS, left), {"input_ids": batch_of((4, 4))["input_ids"]}):
        found = [model(**batch).logits for model in (padded, packed)]
        torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-5)
        for logits in found:
            nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 2).backward()
    theirs, ours = gradients(padded), gradients(packed)
    assert theirs.keys() == ours.keys()
    for weight, gradient in theirs.items():
        torch.testing.assert_close(ours[weight], gradient, rtol=1e-4, atol=1e-5, msg=weight)


@pytest.mark.parametrize("architecture", ["camembert", "xlm-roberta"])
def test_relatives_of_roberta_can_do_without_padding_too(architecture: str) -> None:
    unpadding.register()
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    padded, packed = (
        AutoModel.from_config(
            AutoConfig.for_model(architecture, **sizes, vocab_size=50, pad_token_id=0), attn_implementation=name
        ).eval()
        for name in ("eager", ATTENTION)
    )
    packed.load_state_dict(padded.state_dict())
    stack, batch = stack_of(packed), batch_of(LENGTHS)
    assert stack is not None
    unpad(stack)
    real = batch["attention_mask"] == 1
    found = [model(**batch).last_hidden_state[real] for model in (packed, padded)]
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_what_such_a_run_saves_says_the_same_where_nobody_unpads(tmp_path: Path, family: Family) -> None:
    outcome = run(text_run(tmp_path, family, variants={"unpadding": {}}, epochs=4), keep=True)
    assert outcome.kept is not None
    folder = Folder.at(tmp_path / "best")
    save(outcome.kept, folder, {"run_id": "0" * 16})
    assert ATTENTION not in (tmp_path / "best" / "config.json").read_text(encoding="utf-8")
    model: Any = AutoModelForSequenceClassification.from_pretrained(tmp_path / "best")
    assert model.config._attn_implementation != ATTENTION
    rows = [json.loads(line) for line in (tmp_path / "texts-24.jsonl").read_text(encoding="utf-8").splitlines()]
    table = outcome.predictions
    asked = [row for row in rows if str(row["id"]) in set(table["item"])]
    answers = Predictor.load(tmp_path / "best").predict(asked)
    assert answers["predicted"].tolist() == table["predicted"].tolist()
    assert answers["probability"].tolist() == pytest.approx(table["probability"].tolist(), abs=1e-5)


def test_blocks_see_pieces_alone_and_what_is_behind_them_sees_zeros_for_padding(tmp_path: Path) -> None:
    _, packed = both(model_of(tmp_path, "bert"))
    seen: list[torch.Size] = []
    packed.bert.encoder.layer[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    batch = batch_of(LENGTHS)
    hidden_BLH = packed.bert(**batch).last_hidden_state
    assert seen == [(1, sum(LENGTHS), 32)]
    assert hidden_BLH.shape == (5, 7, 32)
    assert torch.equal(hidden_BLH.abs().sum(-1) > 0, batch["attention_mask"] == 1)


def test_rows_are_packed_by_length_and_come_back_to_their_places() -> None:
    hidden_BLH = torch.arange(24.0).view(3, 4, 2)
    mask_BL = torch.tensor([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0]]).bool()
    packed = Packed.of(hidden_BLH, mask_BL)
    assert packed.groups == ((1, 0), (1, 2), (1, 3))
    assert packed.bounds.tolist() == [0, 0, 2, 5]
    assert packed.index_T.tolist() == [8, 9, 0, 1, 2]
    torch.testing.assert_close(packed.unpack(packed.pack(hidden_BLH)), hidden_BLH * mask_BL[..., None])
    assert Packed.of(hidden_BLH, None).groups == ((3, 4),)


def varlen(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *bounds: Any, **options: Any) -> torch.Tensor:
    """What a kernel of flash-attn is documented to compute."""
    ends, same, longest, also = bounds
    assert torch.equal(ends, same)
    assert ends.dtype == torch.int32
    assert longest == also == int(ends.diff().max())
    assert (options["dropout_p"], options["causal"]) == (0.0, False)
    rows = []
    for first, last in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        three = [tensor[first:last].transpose(0, 1) for tensor in (query, key, value)]
        found = nn.functional.scaled_dot_product_attention(*three, scale=options["softmax_scale"])
        rows.append(found.transpose(0, 1))
    return torch.cat(rows)


def test_a_kernel_for_rows_of_many_lengths_is_asked_for_the_same_numbers() -> None:
    hidden, mask = torch.randn(5, 7, 8), batch_of(LENGTHS)["attention_mask"].bool()
    packed = Packed.of(hidden, mask)
    three = [torch.randn(1, 2, sum(LENGTHS), 4) for _ in range(3)]
    ours, _ = attend(nn.Identity(), *three, packed, scaling=0.3)
    torch.testing.assert_close(by_kernel(varlen, *three, packed, 0.0, 0.3), ours, rtol=1e-5, atol=1e-6)


def test_without_dropout_a_run_learns_and_says_the_same(tmp_path: Path) -> None:
    padded, packed = (run(tiny_run(tmp_path, variants=recipe)) for recipe in ({}, {"unpadding": {}}))
    assert packed.epochs["train_loss"].tolist() == pytest.approx(padded.epochs["train_loss"].tolist(), abs=1e-5)
    assert packed.epochs["eval_loss"].tolist() == pytest.approx(padded.epochs["eval_loss"].tolist(), abs=1e-5)
    columns = ["item", "position", "gold", "predicted"]
    pd.testing.assert_frame_equal(packed.predictions[columns], padded.predictions[columns])


def test_dropout_acts_on_weights_and_states(tmp_path: Path) -> None:
    losses = [
        run(text_run(tmp_path, variants={"unpadding": {}}, dropout=dropout, seed=2)).epochs["train_loss"].tolist()
        for dropout in (0.0, 0.5)
    ]
    assert losses[0] != losses[1]
    generator = torch.Generator().manual_seed(1)
    three = [torch.randn(1, 2, 6, 4, generator=generator) for _ in range(3)]
    packed = Packed.of(torch.zeros(2, 3, 1), None)
    kept, _ = attend(nn.Identity(), *three, packed, dropout=0.5)
    assert not torch.equal(kept, attend(nn.Identity(), *three, packed)[0])


def test_a_profile_finds_no_padding_and_the_same_work_for_a_piece(tmp_path: Path) -> None:
    found = {}
    for name, recipe in {"padded": {"attention": {"implementation": "eager"}}, "packed": {"unpadding": {}}}.items():
        config = tiny_run(tmp_path, variants=recipe)
        training = training_for(config, prepare(config, CPU, RunCache()), ProcessGroup())
        batches = training.batches()
        waste = positions(training.train, batches, training.plan.unpadded).waste
        found[name] = (waste, operations_per_token(training, batches))
    assert found["padded"][0] > 0.05
    assert found["packed"][0] == 0.0
    assert found["packed"][1] == pytest.approx(found["padded"][1], rel=0.05)


@pytest.mark.parametrize("name", ["deberta-v2", "modernbert", "qwen2"])
def test_blocks_that_compute_with_positions_or_causally_are_refused(tmp_path: Path, name: Family) -> None:
    model = instantiate(ModelSource(model_of(tmp_path, name)).load(TEXTS, ("a", "b")), 1)
    with pytest.raises(NoEffect, match="only encoders like BERT can be unpadded"):
        variant.adjust_model(model, variant.Options())


def test_presets_say_which_models_can_take_it() -> None:
    unpads = {name for name in registry.names("model") if registry.load("model", name).unpads}
    assert {"bert-base-uncased", "roberta-base", "minilm-l6", "distilroberta-base"} <= unpads
    assert not unpads & {"deberta-v3-large", "modernbert-large", "gemma-2b", "feed-forward"}
    refused = variant.incompatible(Subject("modernbert-large", "bf16", unpads=False), variant.Options())
    assert "modernbert-large" in str(refused)
    assert unpadding.ATTENTION == variant.KERNEL
