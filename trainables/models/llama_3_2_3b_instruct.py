"""Llama-3.2-3B-Instruct (Meta 2024): 28 layers, tuned to follow instructions in its own chat template."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="llama-3-2-3b-instruct",
    description="Llama-3.2-3B-Instruct, 3.2B parameters, instruction-tuned decoder; gated",
    source="meta-llama/Llama-3.2-3B-Instruct",
    precision="bf16",
    why_precision="it was pretrained in bf16",
    parameters=3_210_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=False,
    layers=28,
    max_length=131_072,
    tokenizer={"pad_token": "<|finetune_right_pad_id|>"},
    why_tokenizer="it has no padding token; this reserved token never occurs in text, while the end of text can",
    gated=True,
)
