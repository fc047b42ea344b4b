"""Batches gathered by index hold exactly the rows asked for, padded with each column's own value."""

from __future__ import annotations

import numpy as np
import torch

from trainables.data.batch_loader import BatchLoader
from trainables.data.features import Features, Ragged
from trainables.modeling.pretrained import PretrainedModel
from trainables.modeling.vocabulary_trimming import vocabulary_of, with_compact_embedding, with_compact_ids

ROWS = [[101, 7, 102], [101, 102], [101, 9, 7, 102]]


def features() -> Features:
    return Features(
        columns={"input_ids": Ragged.from_rows(ROWS, np.int32), "labels": Ragged.from_rows(ROWS, np.int32)},
        padding={"input_ids": 0, "labels": -100},
        item=np.arange(3, dtype=np.int32),
        terms=np.array([1, 0, 2], dtype=np.int32),
    )


def test_a_batch_is_padded_to_its_longest_row() -> None:
    batch = BatchLoader(features(), torch.device("cpu")).batch(np.array([1, 0]))
    assert batch["input_ids"].tolist() == [[101, 102, 0], [101, 7, 102]]
    assert batch["labels"].tolist() == [[101, 102, -100], [101, 7, 102]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


def test_a_fixed_width_pads_every_batch() -> None:
    batch = BatchLoader(features(), torch.device("cpu"), padding=6).batch(np.array([1]))
    assert batch["input_ids"].tolist() == [[101, 102, 0, 0, 0, 0]]


def test_rows_of_equal_length_need_no_mask() -> None:
    assert "attention_mask" not in BatchLoader(features(), torch.device("cpu")).batch(np.array([2, 2]))


class Encoder(torch.nn.Module):
    """An embedding with the accessors that Hugging Face models have."""

    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(120, 4, padding_idx=0)
        self.head = torch.nn.Linear(4, 120, bias=False)
        if tied:
            self.head.weight = self.embedding.weight
        self.config = type("Configuration", (), {})()
        self.config.pad_token_id = 0

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.embedding

    def set_input_embeddings(self, embedding: torch.nn.Embedding) -> None:
        self.embedding = embedding


def pretrained(tied: bool = False) -> PretrainedModel:
    return PretrainedModel(Encoder(tied), frozenset(), 0.02)


def test_only_the_pieces_in_use_keep_an_embedding_row() -> None:
    vocabulary = vocabulary_of(features(), pretrained())
    assert vocabulary is not None
    assert vocabulary.ids.tolist() == [0, 7, 9, 101, 102]
    assert vocabulary.num_unused == 115


def test_compact_ids_look_up_the_vectors_of_the_original_ids() -> None:
    whole = pretrained()
    vocabulary = vocabulary_of(features(), whole)
    assert vocabulary is not None
    small, ids = with_compact_embedding(whole, vocabulary), with_compact_ids(features(), vocabulary)
    before = whole.module.get_input_embeddings()(torch.tensor(ROWS[2]))
    after = small.module.get_input_embeddings()(torch.from_numpy(np.array(ids.columns["input_ids"].row(2))))
    assert torch.equal(before, after)
    assert ids.padding == {"input_ids": 0, "labels": -100}
    assert whole.module.get_input_embeddings().num_embeddings == 120


def test_a_model_whose_output_layer_shares_the_embedding_is_left_alone() -> None:
    assert vocabulary_of(features(), pretrained(tied=True)) is None
