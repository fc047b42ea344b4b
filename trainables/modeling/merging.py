"""Turns a model with adapters or quantised weights into a plain one of the same function, for any tool to load."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainables.modeling.quantization import dequantized, quantized_layers

_QUANTIZER = ("hf_quantizer", "is_loaded_in_4bit", "is_quantized", "quantization_method")
_ADAPTER = "default"


def merge(model: nn.Module) -> nn.Module:
    """The model, changed in place: adapters are added to the weights they adapt, weights in four bits become float32.

    What it computes stays the same up to rounding.
    """
    for name, layer in list(model.named_modules()):
        if hasattr(layer, "get_delta_weight"):
            base = layer.get_base_layer()
            model.set_submodule(name, _linear(base, dequantized(base.weight) + layer.get_delta_weight(_ADAPTER)))
    for name, layer in list(quantized_layers(model)):
        model.set_submodule(name, _linear(layer, dequantized(layer.weight)))
    _forget_quantizer(model)
    return model


def _linear(layer: Any, weight: torch.Tensor) -> nn.Linear:
    bias = layer.bias
    plain = nn.Linear(layer.in_features, layer.out_features, bias=bias is not None, device="meta")
    plain.weight = nn.Parameter(weight.detach().float())
    if bias is not None:
        plain.bias = nn.Parameter(bias.detach().float())
    return plain


def _forget_quantizer(model: Any) -> None:
    for module in model.modules():
        for name in (*_QUANTIZER, "peft_config"):
            if name in vars(module):
                delattr(module, name)
        config = getattr(module, "config", None)
        if config is not None and hasattr(config, "quantization_config"):
            del config.quantization_config
