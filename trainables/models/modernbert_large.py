"""ModernBERT-large (Warner et al. 2024): 28 layers, local and global attention, rotary positions, 8,192 tokens."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="modernbert-large",
    description="ModernBERT-large, 395M parameters, alternating local and global attention",
    source="answerdotai/ModernBERT-large",
    precision="bf16",
    why_precision="it was pretrained in bf16",
    parameters=395_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=False,
    layers=28,
    max_length=8192,
    tokenizer={"add_prefix_space": True},
    why_tokenizer="given single words, byte-level BPE must see the space before each, or it reads them as word middles",
)
