"""Qwen2.5-14B-Instruct (Qwen Team 2024): 48 layers, tuned to follow instructions in its own chat template."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="qwen2-5-14b-instruct",
    description="Qwen2.5-14B-Instruct, 14.8B parameters, instruction-tuned decoder",
    source="Qwen/Qwen2.5-14B-Instruct",
    precision="bf16",
    why_precision="it was pretrained in bf16",
    parameters=14_770_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=48,
    max_length=32_768,
)
