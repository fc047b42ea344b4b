"""A feed-forward network over the mean of word embeddings (Iyyer et al. 2015): the baseline without pretraining."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset, PackagedWeights
from trainables.system.extras import install

MODEL = ModelPreset(
    name="feed-forward",
    description="embeddings, their mean and two hidden layers, from random weights; words of the data as vocabulary",
    source=PackagedWeights("trainables", "architectures/feed_forward_default", install()),
    precision="fp32",
    why_precision="it is too small to gain from a lower precision",
    parameters=3_900_000,
    attentions=("eager",),
    has_biases=True,
    layers=0,
    tokenizer={"from": "words", "size": 30_000, "minimum": 2},
    why_tokenizer="words that occur twice in the data, label-free; {from: owner/name} uses another model's tokens",
    random_init=True,
)
