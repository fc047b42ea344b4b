"""DistilBERT (Sanh et al. 2019): six layers distilled from BERT-base, without segments and without a pooler."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="distilbert-base-uncased",
    description="DistilBERT-base uncased, 66M parameters, distilled from BERT-base",
    source="distilbert/distilbert-base-uncased",
    precision="auto",
    why_precision="it trains in any precision; bf16 halves time and memory and needs no loss scaling",
    parameters=66_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=6,
    unpads=True,
)
