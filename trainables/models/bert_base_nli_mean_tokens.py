"""Sentence-BERT (Reimers and Gurevych 2019): BERT-base trained on entailment, with mean pooling over its tokens."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="bert-base-nli-mean-tokens",
    description="SBERT on BERT-base, 110M parameters, mean pooling under the classifier",
    source="sentence-transformers/bert-base-nli-mean-tokens",
    precision="auto",
    why_precision="it trains in any precision; bf16 halves time and memory and needs no loss scaling",
    parameters=109_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=12,
    unpads=True,
    pooling="mean",
)
