"""Qwen2.5-1.5B (Qwen Team 2024): a decoder of 28 layers; it pads with the end of text, which no text contains."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="qwen2-5-1-5b",
    description="Qwen2.5-1.5B, 1.54B parameters, decoder",
    source="Qwen/Qwen2.5-1.5B",
    precision="bf16",
    why_precision="it was pretrained in bf16",
    parameters=1_540_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=28,
    max_length=32_768,
)
