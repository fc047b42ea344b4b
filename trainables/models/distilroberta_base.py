"""DistilRoBERTa (Sanh et al. 2019): six layers distilled from RoBERTa-base."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="distilroberta-base",
    description="DistilRoBERTa-base, 82M parameters, distilled from RoBERTa-base",
    source="distilbert/distilroberta-base",
    precision="auto",
    why_precision="it trains in any precision; bf16 halves time and memory and needs no loss scaling",
    parameters=82_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=6,
    unpads=True,
    tokenizer={"add_prefix_space": True},
    why_tokenizer="given single words, byte-level BPE must see the space before each, or it reads them as word middles",
)
