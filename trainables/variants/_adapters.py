"""Adds low-rank adapters (Hu et al. 2021) to a model's linear layers: everything else is frozen, the head trains.

Also holds what all techniques that freeze weights share: finding a model's body, and never freezing its head.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainables.config import Fraction, Frozen, Positive
from trainables.protocols.variant import NoEffect
from trainables.system.extras import install

if TYPE_CHECKING:
    from torch import nn


Targets = Literal["auto", "all-linear"] | list[str]

# Query and value projections (or a fused one), by the names that architectures give them.
_QUERY_AND_VALUE = re.compile(r"(^|[._])(query|value|q|v)(_proj|_lin)?$|(^|[._])(Wqkv|query_key_value|c_attn|in_proj)$")


class AdapterOptions(Frozen):
    """Options that LoRA and QLoRA share."""

    rank: int = Field(default=16, ge=1, description="width of each adapter")
    alpha: Positive = Field(default=32.0, description="adapters are scaled by alpha / rank")
    dropout: Fraction = Field(default=0.05, description="dropout on the input of an adapter")
    targets: Targets = Field(
        default="auto",
        description="auto: query and value projections; all-linear: every linear layer of the body; or layer names",
    )


def add_adapters(model: nn.Module, options: AdapterOptions, variant: str) -> nn.Module:
    """Change the model in place and return it. New weights come from torch's generator, seeded by `training/setup.py`.

    Raises NoEffect if no layer matches, and ImportError that says what to install.
    """
    if find_spec("peft") is None:
        raise ImportError(f"{variant} needs peft; run {install('adapters')}")
    from peft import LoraConfig, inject_adapter_in_model

    from trainables.modeling.pretrained import new_parameters

    head = new_parameters(model)
    targets = _chosen(model, options.targets, head, variant)
    config = LoraConfig(
        r=options.rank, lora_alpha=options.alpha, lora_dropout=options.dropout, bias="none", target_modules=targets
    )
    adapted: Any = inject_adapter_in_model(config, model)
    for name, parameter in adapted.named_parameters():
        if name in head:
            parameter.requires_grad_(True)
    return adapted


def _chosen(model: nn.Module, targets: Targets, head: frozenset[str], variant: str) -> list[str]:
    """Return the full names of the layers that get an adapter, without those that train as a whole."""
    kind = architecture_of(model)
    body = [name for name in _body_layers(model) if f"{name}.weight" not in head]
    if isinstance(targets, list):
        missing = [target for target in targets if not any(_is_named(name, target) for name in body)]
        if missing:
            endings = sorted({name.rsplit(".", 1)[-1] for name in body})
            known = f"its linear layers end in {', '.join(endings)}" if endings else "it has no linear layers"
            raise NoEffect(f"{variant}.targets: {kind} has no linear layer {missing[0]!r}; {known}")
        return [name for name in body if any(_is_named(name, target) for target in targets)]
    chosen = body if targets == "all-linear" else [name for name in body if _QUERY_AND_VALUE.search(name)]
    if not chosen:
        what = "linear layers" if targets == "all-linear" else "query and value projections with known names"
        raise NoEffect(f"{variant} would train the head only: {kind} has no {what}; set {variant}.targets")
    return chosen


def _body_layers(model: nn.Module) -> list[str]:
    from torch import nn

    inside = {id(layer) for layer in body_of(model).modules()}
    return [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and id(layer) in inside]


def _is_named(layer: str, target: str) -> bool:
    """Return whether a full layer name is or ends in `target`: `output.dense` means every layer of that name."""
    return layer == target or layer.endswith(f".{target}")


EXCLUSION = "both choose which weights train"


def body_of(model: nn.Module) -> Any:
    """Return the pretrained part, without the head; the model itself if it has no parts."""
    return getattr(model, "base_model", model)


def architecture_of(model: nn.Module) -> str:
    """Return the name of the architecture, for messages."""
    return str(getattr(getattr(model, "config", None), "model_type", type(model).__name__))


def freeze(model: nn.Module, names: Iterable[str]) -> None:
    """Freeze these parameters, except new ones that no checkpoint provided: they must be learned."""
    from trainables.modeling.pretrained import new_parameters

    parameters, new = dict(model.named_parameters()), new_parameters(model)
    for name in set(names) - new:
        parameters[name].requires_grad_(False)
