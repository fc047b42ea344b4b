"""Stella-1.5B v5 (Zhang et al. 2024): a Qwen2 decoder trained to embed texts, read by transformers' own Qwen2 code."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="stella-1-5b",
    description="Stella-en-1.5B-v5, 1.54B parameters, decoder trained to embed texts",
    source="NovaSearch/stella_en_1.5B_v5",
    precision="bf16",
    why_precision="its base model was pretrained in bf16",
    parameters=1_540_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=28,
    max_length=512,
)
