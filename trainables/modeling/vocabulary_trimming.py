"""Leaves out of training the embedding rows that no item uses: the same result from less memory traffic.

A row that never occurs in the data has no gradient and never reaches an output, so a model without it learns exactly
the same. An optimizer step reads and writes every weight, though: for all-MiniLM-L6-v2 on CR_ECSS half of them are rows
of words that do not occur (docs/experiments.md has the measurement).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from trainables.data.features import Features, Ragged
from trainables.modeling.pretrained import PretrainedModel

STAYS_IN_PLACE = 1000  # special ids below this keep their number: RoBERTa counts positions from its padding id


@dataclass(frozen=True)
class Vocabulary:
    """The piece ids in use, sorted: row r of the smaller embedding is piece `ids[r]`."""

    ids: NDArray[np.int64]
    size: int

    @property
    def num_unused(self) -> int:
        """Rows that are left out."""
        return self.size - len(self.ids)

    def row(self, piece: int) -> int:
        """The row of a piece that is in use."""
        return int(np.searchsorted(self.ids, piece))


@dataclass(frozen=True)
class TrimmedModel:
    """Features and model speak of the same piece ids; `unused_parameters` were left out because no item uses them."""

    features: Features
    pristine: PretrainedModel
    unused_parameters: int = 0
    vocabulary: Vocabulary | None = None

    @classmethod
    def of(cls, features: Features, pristine: PretrainedModel, whole_vocabulary: bool) -> TrimmedModel:
        """Both, over the pieces that occur; unchanged where task or model needs its whole vocabulary."""
        if whole_vocabulary:
            return cls(features, pristine)
        vocabulary = vocabulary_of(features, pristine)
        if vocabulary is None:
            return cls(features, pristine)
        smaller = with_compact_embedding(pristine, vocabulary)
        width = smaller.module.get_input_embeddings().embedding_dim
        return cls(with_compact_ids(features, vocabulary), smaller, vocabulary.num_unused * width, vocabulary)


def vocabulary_of(features: Features, pristine: PretrainedModel) -> Vocabulary | None:
    """The pieces that a data set uses, or None where the model needs all rows: its output layer shares them, say."""
    embedding = _input_embedding(pristine.module)
    if embedding is None:
        return None
    used = np.unique(features.columns["input_ids"].values)
    special = [features.padding["input_ids"], *_special_ids(pristine.module).values()]
    if used[-1] >= embedding.num_embeddings:
        return None
    in_place = np.arange(max((piece for piece in special if piece < STAYS_IN_PLACE), default=-1) + 1)
    ids = np.union1d(np.union1d(used, in_place), [piece for piece in special if piece < embedding.num_embeddings])
    return Vocabulary(ids.astype(np.int64), embedding.num_embeddings)


def with_compact_ids(features: Features, vocabulary: Vocabulary) -> Features:
    """The features with every piece id replaced by its row in the smaller embedding."""
    column = features.columns["input_ids"]
    compact = Ragged(np.searchsorted(vocabulary.ids, column.values).astype(np.int32), np.asarray(column.offsets))
    padding = {**features.padding, "input_ids": vocabulary.row(features.padding["input_ids"])}
    return replace(features, columns={**features.columns, "input_ids": compact}, padding=padding)


def with_compact_embedding(pristine: PretrainedModel, vocabulary: Vocabulary) -> PretrainedModel:
    """The model with an input embedding of the rows in use only; the one given stays as it is."""
    module = copy.deepcopy(pristine.module)
    embedding = _input_embedding(module)
    assert embedding is not None, "vocabulary_of decides which models are made smaller"
    padding = None if embedding.padding_idx is None else vocabulary.row(embedding.padding_idx)
    smaller = nn.Embedding(len(vocabulary.ids), embedding.embedding_dim, padding_idx=padding)
    with torch.no_grad():
        smaller.weight.copy_(embedding.weight[torch.from_numpy(vocabulary.ids)])
    module.set_input_embeddings(smaller)
    rows = {name: vocabulary.row(piece) for name, piece in _special_ids(module).items() if piece < vocabulary.size}
    _set_special_ids(module, {**dict.fromkeys(_special_ids(module)), **rows})
    return replace(pristine, module=module)


def restore_embedding(module: nn.Module, vocabulary: Vocabulary, original: nn.Module) -> None:
    """Give a trained model its whole embedding back: the rows in use as they are now, the others from `original`.

    `original` is the model before with_compact_embedding made it smaller; it loses its embedding to `module`.
    """
    trained, whole = _input_embedding(module), _input_embedding(original)
    assert trained is not None, "with_compact_embedding made this model"
    assert whole is not None, "vocabulary_of found this embedding"
    with torch.no_grad():
        whole.weight[torch.from_numpy(vocabulary.ids)] = trained.weight.detach().to(whole.weight)
    module.set_input_embeddings(whole.to(trained.weight.device))
    _set_special_ids(module, _special_ids(original))


def _input_embedding(module: nn.Module) -> nn.Embedding | None:
    if not hasattr(module, "get_input_embeddings"):
        return None
    embedding = module.get_input_embeddings()
    if type(embedding) is not nn.Embedding or embedding.max_norm is not None:
        return None
    shared = [name for name, weight in module.named_parameters(remove_duplicate=False) if weight is embedding.weight]
    return embedding if len(shared) == 1 else None


def _special_ids(module: nn.Module) -> dict[str, int]:
    """Ids that the configuration names: a model may compare its input with them."""
    configuration = vars(getattr(module, "config", object()))
    return {
        name: value for name, value in configuration.items() if name.endswith("_token_id") and isinstance(value, int)
    }


def _set_special_ids(module: nn.Module, ids: Mapping[str, int | None]) -> None:
    """In the configuration of the model and of every model inside it."""
    for config in {id(part.config): part.config for part in module.modules() if hasattr(part, "config")}.values():
        for name, piece in ids.items():
            if hasattr(config, name):
                setattr(config, name, piece)
