"""Llama-3.2-1B (Meta 2024): a decoder of 16 layers with 128,256 tokens; its tokenizer has no padding token."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="llama-3-2-1b",
    description="Llama-3.2-1B, 1.24B parameters, decoder; gated",
    source="meta-llama/Llama-3.2-1B",
    precision="bf16",
    why_precision="it was pretrained in bf16",
    parameters=1_240_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=False,
    layers=16,
    max_length=131_072,
    tokenizer={"pad_token": "<|finetune_right_pad_id|>"},
    why_tokenizer="it has no padding token; this reserved token never occurs in text, while the end of text can",
    gated=True,
)
