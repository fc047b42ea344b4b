"""Tokenised data and base weights that fit each other: what all runs of one model on one data set share."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.data.features import Features
from trainables.modeling.pretrained import Pristine
from trainables.modeling.vocabulary_trimming import Vocabulary, vocabulary_of, with_compact_embedding, with_compact_ids


@dataclass(frozen=True)
class Material:
    """Features and model speak of the same piece ids; `unused_parameters` were left out because no item uses them."""

    features: Features
    pristine: Pristine
    unused_parameters: int = 0
    vocabulary: Vocabulary | None = None

    @classmethod
    def of(cls, features: Features, pristine: Pristine, whole_vocabulary: bool) -> Material:
        """Both, over the pieces that occur; unchanged where task or model needs its whole vocabulary."""
        if whole_vocabulary:
            return cls(features, pristine)
        vocabulary = vocabulary_of(features, pristine)
        if vocabulary is None:
            return cls(features, pristine)
        smaller = with_compact_embedding(pristine, vocabulary)
        width = smaller.module.get_input_embeddings().embedding_dim
        return cls(with_compact_ids(features, vocabulary), smaller, vocabulary.num_unused * width, vocabulary)
