"""ELECTRA-base (Clark et al. 2020): the part trained to distinguish real words from replaced ones."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="electra-base-discriminator",
    description="ELECTRA-base discriminator, 109M parameters",
    source="google/electra-base-discriminator",
    precision="auto",
    why_precision="it trains in any precision; bf16 halves time and memory and needs no loss scaling",
    parameters=109_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=12,
    unpads=True,
)
