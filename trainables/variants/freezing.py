"""Freezes the embeddings and the bottom layers: the general part of a pretrained encoder stays, the top adapts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from trainables.config import Frozen
from trainables.protocols.variant import NoEffect, Stage, Subject, Variant
from trainables.variants._adapters import EXCLUSION, architecture_of, body_of, freeze

if TYPE_CHECKING:
    from torch import nn


class Options(Frozen):
    """How much stays as it was pretrained."""

    layers: int = Field(ge=0, description="number of bottom layers to freeze; 0: the embeddings only")


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Freeze the embeddings and `layers` blocks. Raises NoEffect if the model has no blocks, or fewer."""
    body = body_of(model)
    blocks = _blocks(body)
    if blocks is None:
        raise NoEffect(f"freezing: {architecture_of(model)} is not a stack of layers")
    if options.layers > len(blocks):
        raise NoEffect(_too_many(options.layers, architecture_of(model), len(blocks)))
    frozen = [child for name, child in body.named_children() if name.startswith("embed")]
    chosen = {id(weight) for part in [*frozen, *blocks[: options.layers]] for weight in part.parameters()}
    freeze(model, [name for name, weight in model.named_parameters() if id(weight) in chosen])
    return model


def incompatible(subject: Subject, options: Options) -> str | None:
    """Return a reason if the model is known to have fewer layers."""
    if subject.layers is None or options.layers <= subject.layers:
        return None
    return _too_many(options.layers, subject.model, subject.layers)


def _blocks(body: Any) -> Any:
    """Return the (outermost) stack of blocks; None if the model has none."""
    from torch import nn

    wanted = getattr(getattr(body, "config", None), "num_hidden_layers", None)
    lists = (part for part in body.modules() if isinstance(part, nn.ModuleList))
    return next((part for part in lists if len(part) == wanted), None)


def _too_many(layers: int, model: str, available: int) -> str:
    return f"freezing.layers is {layers}, but {model} has {available} layers"


VARIANT = Variant(
    name="freezing",
    description="embeddings and the bottom layers stay as they were pretrained",
    stage=Stage.ADAPT,
    options=Options,
    excludes=dict.fromkeys(("bitfit", "lora", "qlora"), EXCLUSION),
    adjust_model=adjust_model,
    incompatible=incompatible,
    asks_architecture=True,
)
