"""DeBERTa-v3-large (He et al. 2021): 24 layers, disentangled attention, SentencePiece vocabulary of 128k tokens."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="deberta-v3-large",
    description="DeBERTa-v3-large, 304M backbone parameters, disentangled attention",
    source="microsoft/deberta-v3-large",
    precision="bf16",
    why_precision="its attention scores overflow in fp16; bf16 has the range of fp32",
    parameters=434_000_000,
    attentions=("eager",),
    has_biases=True,
    layers=24,
)
