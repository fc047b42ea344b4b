"""ModernBERT-base (Warner et al. 2024): 22 layers, local and global attention, rotary positions, 8,192 tokens."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="modernbert-base",
    description="ModernBERT-base, 149M parameters, alternating local and global attention",
    source="answerdotai/ModernBERT-base",
    precision="bf16",
    why_precision="it was pretrained in bf16",
    parameters=149_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=False,
    layers=22,
    max_length=8192,
    tokenizer={"add_prefix_space": True},
    why_tokenizer="given single words, byte-level BPE must see the space before each, or it reads them as word middles",
)
