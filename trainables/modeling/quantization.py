"""Frozen weights in four bits: NF4 with double quantisation, block by block (Dettmers et al. 2023, QLoRA).

Weights are quantised while they are loaded, on the CPU, and multiplied in the run's own precision. `merge` turns a
trained model, adapters included, into a plain one of the same function that any tool can load.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from trainables.config import Precision
from trainables.system.extras import install
from trainables.system.precision import DTYPES

NOT_IN_BLOCKS = "pooler.dense"  # some checkpoints lack it: it is drawn from the seed and trains
_QUANTIZER = ("hf_quantizer", "is_loaded_in_4bit", "is_quantized", "quantization_method")
_ADAPTER = "default"


def quantization_arguments(architecture: nn.Module, precision: Precision) -> dict[str, Any]:
    """Arguments of `from_pretrained` that load this architecture's body in four bits and its head as it is.

    Raises ImportError that says what to install.
    """
    from transformers import BitsAndBytesConfig

    _require("bitsandbytes", "accelerate")
    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES.get(precision, torch.float32),
        llm_int8_skip_modules=[*head_layers(architecture), NOT_IN_BLOCKS],
    )
    return {"quantization_config": settings, "device_map": {"": "cpu"}}


def head_layers(model: nn.Module) -> list[str]:
    """Names of the linear layers outside a model's body."""
    body: Any = getattr(model, "base_model", model)
    inside = {id(layer) for layer in body.modules()}
    return [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and id(layer) not in inside]


def quantized_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Every layer whose weight is in four bits, with its name."""
    for name, layer in model.named_modules():
        weight = vars(layer)["_parameters"].get("weight")  # its own: an adapter shows that of the layer inside it
        if getattr(weight, "quant_state", None) is not None:
            yield name, layer


def settle(model: nn.Module) -> None:
    """After loading or copying: every weight belongs to its own layer, and is never repacked behind our back.

    A copied weight still points to the layer it was copied from; and on processors with bf16 the library would repack
    weights at the first evaluation, for a kernel that gives other numbers than training does.
    """
    for _, layer in quantized_layers(model):
        layer.weight.module, layer.quant_state = layer, layer.weight.quant_state
        layer.support_avx512bf16_for_cpu = False


def dequantized(weight: Any) -> torch.Tensor:
    """A weight as a float32 matrix; one that is not quantised is returned as it is."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return weight.data
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(weight.data, state).float()


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


def num_entries(parameter: Any) -> int:
    """Weights that a parameter stands for; two of four bits share a byte."""
    state = getattr(parameter, "quant_state", None)
    return int(parameter.numel() if state is None else torch.Size(state.shape).numel())


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


def _require(*packages: str) -> None:
    from importlib.util import find_spec

    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise ImportError(f"weights in four bits need {' and '.join(absent)}; run {install('adapters')}")
