"""Trains without the embedding rows that no item uses: the same result with less memory traffic.

A token that never occurs in the data has no gradient and never reaches an output, so a model without its row learns
exactly the same. Yet an optimizer step reads and writes every weight: for all-MiniLM-L6-v2 on CR_ECSS, half of them
belong to tokens that do not occur (docs/experiments.md has the measurement).
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

STAYS_IN_PLACE = 1000  # special ids below this do not change: RoBERTa counts positions from its padding id


@dataclass(frozen=True)
class Vocabulary:
    """The token ids in use, sorted: row r of the smaller embedding belongs to token `ids[r]`."""

    ids: NDArray[np.int64]
    size: int

    @property
    def num_unused(self) -> int:
        """Rows that are left out."""
        return self.size - len(self.ids)

    def row(self, token: int) -> int:
        """Return the row of a token that is in use."""
        return int(np.searchsorted(self.ids, token))


@dataclass(frozen=True)
class TrimmedModel:
    """Features and a model with the same token ids; `unused_parameters` counts the weights that were left out."""

    features: Features
    pretrained: PretrainedModel
    unused_parameters: int = 0
    vocabulary: Vocabulary | None = None

    @classmethod
    def of(cls, features: Features, pretrained: PretrainedModel, whole_vocabulary: bool) -> TrimmedModel:
        """Reduce both to the tokens that occur; keep them unchanged if task or model needs the whole vocabulary."""
        if whole_vocabulary:
            return cls(features, pretrained)
        vocabulary = vocabulary_of(features, pretrained)
        if vocabulary is None:
            return cls(features, pretrained)
        smaller = with_compact_embedding(pretrained, vocabulary)
        width = smaller.module.get_input_embeddings().embedding_dim
        return cls(with_compact_ids(features, vocabulary), smaller, vocabulary.num_unused * width, vocabulary)


def vocabulary_of(features: Features, pretrained: PretrainedModel) -> Vocabulary | None:
    """Return the tokens that a data set uses; None if the model needs all rows, e.g. for its output layer."""
    embedding = _input_embedding(pretrained.module)
    if embedding is None:
        return None
    used = np.unique(features.columns["input_ids"].values)
    special = [features.padding["input_ids"], *_special_ids(pretrained.module).values()]
    if used[-1] >= embedding.num_embeddings:
        return None
    in_place = np.arange(max((token for token in special if token < STAYS_IN_PLACE), default=-1) + 1)
    ids = np.union1d(np.union1d(used, in_place), [token for token in special if token < embedding.num_embeddings])
    return Vocabulary(ids.astype(np.int64), embedding.num_embeddings)


def with_compact_ids(features: Features, vocabulary: Vocabulary) -> Features:
    """Return the features with every token id replaced by its row in the smaller embedding."""
    column = features.columns["input_ids"]
    compact = Ragged(np.searchsorted(vocabulary.ids, column.values).astype(np.int32), np.asarray(column.offsets))
    padding = {**features.padding, "input_ids": vocabulary.row(features.padding["input_ids"])}
    return replace(features, columns={**features.columns, "input_ids": compact}, padding=padding)


def with_compact_embedding(pretrained: PretrainedModel, vocabulary: Vocabulary) -> PretrainedModel:
    """Return a copy of the model whose input embedding has only the rows in use."""
    module = copy.deepcopy(pretrained.module)
    embedding = _input_embedding(module)
    assert embedding is not None, "vocabulary_of decides which models get smaller"
    padding = None if embedding.padding_idx is None else vocabulary.row(embedding.padding_idx)
    smaller = nn.Embedding(len(vocabulary.ids), embedding.embedding_dim, padding_idx=padding)
    with torch.no_grad():
        smaller.weight.copy_(embedding.weight[torch.from_numpy(vocabulary.ids)])
    module.set_input_embeddings(smaller)
    rows = {name: vocabulary.row(token) for name, token in _special_ids(module).items() if token < vocabulary.size}
    _set_special_ids(module, {**dict.fromkeys(_special_ids(module)), **rows})
    return replace(pretrained, module=module)


def restore_embedding(module: nn.Module, vocabulary: Vocabulary, original: nn.Module) -> None:
    """Give a trained model its whole embedding back: the trained rows, and the unused ones from `original`.

    `original` is the model as it was before `with_compact_embedding`; its embedding moves to `module`.
    """
    trained, whole = _input_embedding(module), _input_embedding(original)
    assert trained is not None, "with_compact_embedding made this model"
    assert whole is not None, "vocabulary_of used this embedding"
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
    """Return the ids that the configuration names; a model may compare its input with them."""
    configuration = vars(getattr(module, "config", object()))
    return {
        name: value for name, value in configuration.items() if name.endswith("_token_id") and isinstance(value, int)
    }


def _set_special_ids(module: nn.Module, ids: Mapping[str, int | None]) -> None:
    """Set ids in the configuration of the model and of every model inside it."""
    for config in {id(part.config): part.config for part in module.modules() if hasattr(part, "config")}.values():
        for name, token in ids.items():
            if hasattr(config, name):
                setattr(config, name, token)
