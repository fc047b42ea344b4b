"""Gemma-2B (Gemma Team 2024): a decoder of 18 layers with 256,000 tokens and its own padding token."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="gemma-2b",
    description="Gemma-2B, 2.5B parameters, decoder; gated",
    source="google/gemma-2b",
    precision="bf16",
    why_precision="it was pretrained in bf16; its activations overflow in fp16",
    parameters=2_510_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=False,
    layers=18,
    max_length=8192,
    gated=True,
)
