"""RoBERTa-base (Liu et al. 2019): 12 layers, byte-level BPE, the field's long-standing baseline."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset

MODEL = ModelPreset(
    name="roberta-base",
    description="RoBERTa-base, 125M parameters, byte-level BPE",
    source="FacebookAI/roberta-base",
    precision="fp16",
    why_precision="the CR_ECSS study trained it in fp16 with a GradScaler; without one long sequences gave NaN",
    parameters=125_000_000,
    attentions=("sdpa", "eager", "flash_attention_2"),
    has_biases=True,
    layers=12,
    unpads=True,
    tokenizer={"add_prefix_space": True},
    why_tokenizer="given single words, byte-level BPE must see the space before each, or it reads them as word middles",
)
