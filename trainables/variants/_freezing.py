"""What techniques that leave weights untouched have in common: the body of a model, and never freezing its head."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

EXCLUSION = "both choose which weights train"


def body_of(model: nn.Module) -> Any:
    """The pretrained part, without the head; the model itself where it has no parts."""
    return getattr(model, "base_model", model)


def architecture_of(model: nn.Module) -> str:
    """The name of the architecture, for messages."""
    return str(getattr(getattr(model, "config", None), "model_type", type(model).__name__))


def freeze(model: nn.Module, names: Iterable[str]) -> None:
    """Keep these parameters as they are, but for those that no checkpoint provided: somebody has to learn them."""
    from trainables.modeling.pretrained import new_parameters

    parameters, new = dict(model.named_parameters()), new_parameters(model)
    for name in set(names) - new:
        parameters[name].requires_grad_(False)
