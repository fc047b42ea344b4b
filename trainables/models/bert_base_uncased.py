"""BERT-base, uncased (Devlin et al. 2019): 12 layers, a WordPiece vocabulary of 30,522 lower-case tokens."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="bert-base-uncased",
    description="BERT-base uncased, 110M parameters, WordPiece",
    source="google-bert/bert-base-uncased",
    precision="auto",
    why_precision="it trains in any precision; bf16 halves time and memory and needs no loss scaling",
    parameters=110_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=12,
    unpads=True,
)
