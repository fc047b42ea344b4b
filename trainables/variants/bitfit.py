"""BitFit (Ben Zaken et al. 2022): only the biases and the head train; the pretrained matrices stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.config import Frozen
from trainables.protocols.variant import NoEffect, Stage, Subject, Variant
from trainables.variants._adapters import EXCLUSION, architecture_of, body_of, freeze

if TYPE_CHECKING:
    from torch import nn


class Options(Frozen):
    """No options: the biases of normalisation layers train too, as in the paper."""


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Freeze everything but biases and the head. Raises NoEffect if the body has no biases in its linear layers."""
    from torch import nn

    body = body_of(model)
    own = [layer for layer in body.modules() if isinstance(layer, nn.Linear) and layer.bias is not None]
    if not own:
        raise NoEffect(_none(architecture_of(model)))
    freeze(model, (name for name, _ in model.named_parameters() if name.rpartition(".")[2] != "bias"))
    return model


def incompatible(subject: Subject, options: Options) -> str | None:
    """Return a reason if the model is known to have no biases."""
    return _none(subject.model) if subject.has_biases is False else None


def _none(model: str) -> str:
    return f"{model} has no encoder biases; bitfit would train the head only"


VARIANT = Variant(
    name="bitfit",
    description="only biases and the head train",
    stage=Stage.ADAPT,
    options=Options,
    excludes={
        "freezing": EXCLUSION,
        "lora": EXCLUSION,
        "qlora": EXCLUSION,
        "adamw_8bit": "biases are too small for it: below 4,096 entries the state stays in 32 bits",
    },
    adjust_model=adjust_model,
    incompatible=incompatible,
    asks_architecture=True,
)
