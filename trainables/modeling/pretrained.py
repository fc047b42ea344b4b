"""Loads pretrained models safely, also in four bits, and draws what a checkpoint lacks from the run's own seed.

Four bits means NF4 with double quantisation, block by block (Dettmers et al. 2023, QLoRA): weights are quantised
while they are loaded, on the CPU, and multiplied in the run's own precision. `merge` turns a trained model, adapters
included, into an equivalent plain model that any tool can load.
"""

from __future__ import annotations

import copy
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import nn

from trainables import architectures
from trainables.architectures.mean_pooling import MeanPoolingConfig, MeanPoolingForSequenceClassification
from trainables.config import ModelConfig, Precision
from trainables.modeling import unpadding
from trainables.modeling.heads import Outputs, head_of, outside_body, owners
from trainables.modeling.hf_errors import ModelError, code_of, explained, origin, quiet
from trainables.modeling.hub import prefetch
from trainables.modeling.tokenizer import Texts, align, builds_vocabulary, load_tokenizer
from trainables.system.extras import install
from trainables.system.hub_access import is_commit
from trainables.system.precision import DTYPES

NOT_IN_BLOCKS = "pooler.dense"  # some checkpoints lack it: it is drawn from the seed and trains
_QUANTIZER = ("hf_quantizer", "is_loaded_in_4bit", "is_quantized", "quantization_method")
_ADAPTER = "default"


def quantization_arguments(architecture: nn.Module, precision: Precision) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` that load the body in four bits and the head as it is.

    Raises an ImportError that says what to install.
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
    """Return the names of the linear layers outside a model's body."""
    body: Any = getattr(model, "base_model", model)
    inside = {id(layer) for layer in body.modules()}
    return [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and id(layer) not in inside]


def quantized_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield every layer whose weight is in four bits, with its name."""
    for name, layer in model.named_modules():
        weight = vars(layer)["_parameters"].get("weight")  # its own: an adapter exposes that of the inner layer
        if getattr(weight, "quant_state", None) is not None:
            yield name, layer


def settle(model: nn.Module) -> None:
    """After loading or copying, make every four-bit weight belong to its own layer and keep its layout.

    A copied weight still points to the layer it was copied from. On processors with bf16, the library would repack
    weights at the first evaluation, for a kernel whose numbers differ from those of training.
    """
    for _, layer in quantized_layers(model):
        layer.weight.module, layer.quant_state = layer, layer.weight.quant_state
        layer.support_avx512bf16_for_cpu = False


def dequantized(weight: Any) -> torch.Tensor:
    """Return a weight as a float32 matrix, or unchanged if it is not quantised."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return weight.data
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(weight.data, state).float()


def merge(model: nn.Module) -> nn.Module:
    """Merge adapters into the weights that they adapt and make four-bit weights float32, in place; return the model.

    It still computes the same function, up to rounding.
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
    """Return the number of weights in a parameter; two four-bit weights share a byte."""
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


__all__ = ["ModelError", "ModelSource", "PretrainedModel", "instantiate", "load_tokenizer", "new_parameters", "quiet"]

logger = logging.getLogger(__name__)

_DROPOUT = re.compile(r"(^|_)drop(out)?(_|$)")
_OF_WHOLE_TEXTS = "AutoModelForSequenceClassification"
_WRITES = "AutoModelForCausalLM"
_NEW = "_new_parameters"


@dataclass(frozen=True)
class PretrainedModel:
    """A model before its run: pretrained weights on the CPU in float32, never trained, never changed.

    `missing` names the parameters that no checkpoint provides; `instantiate` draws them from a seed. `head` names those
    that belong to the task, wherever they come from; `remark` says what happened to the head of the checkpoint.
    """

    module: nn.Module
    missing: frozenset[str]
    initializer_range: float
    head: frozenset[str] = frozenset()
    remark: str | None = None


@dataclass(frozen=True)
class ModelSource:
    """Where a task gets its model from; `attention` and `dropout` are choices of the run, None keeps the default.

    `quantization` keeps the weights of the body in four bits, frozen. `texts` returns the texts of the data, for a
    model that builds its vocabulary from them.
    """

    config: ModelConfig
    attention: str | None = None
    dropout: float | None = None
    quantization: Literal["nf4"] | None = None
    texts: Texts | None = None

    def load(self, auto_class: str, labels: Sequence[str], problem: str | None = None) -> PretrainedModel:
        """Load the model as the Hugging Face class `auto_class` ("AutoModelFor..."), with one output per label.

        `problem` is the library's name for the loss (`problem_type`), which tells other tools how outputs become
        probabilities. The checkpoint's own head is kept if it is for the same kind of task and the same labels.
        Raises ModelError for an architecture without such a head, and for weights that are absent, not safetensors, or
        of other shapes than the configuration says.
        """
        configuration = self._configuration()
        theirs = Outputs(None, ()) if self.config.random_init else Outputs.of_checkpoint(configuration)
        self._configure(configuration, labels, problem)
        with quiet(), torch.random.fork_rng(devices=[]), explained(self.config):
            if auto_class == _OF_WHOLE_TEXTS and self._pools(configuration):
                module, missing = self._pooled(configuration)
            else:
                module, missing = self._module(auto_class, configuration)
            head = head_of(module, missing, theirs, Outputs.of_class(auto_class, labels, problem))
        module = module.eval() if self.quantization else module.float().eval()
        deviation = float(getattr(configuration, "initializer_range", 0.02))
        return PretrainedModel(module, missing | head.missing, deviation, head.own, head.remark)

    def configuration(self, labels: Sequence[str], problem: str | None = None) -> Any:
        """Return the configuration with the preset's overrides, the tokenizer's special ids, labels and dropout."""
        configuration = self._configuration()
        self._configure(configuration, labels, problem)
        return configuration

    def _configure(self, configuration: Any, labels: Sequence[str], problem: str | None) -> None:
        names = dict(enumerate(labels))
        configuration.update({"id2label": names, "label2id": {label: index for index, label in names.items()}})
        configuration.problem_type = problem  # a checkpoint's own is about its own labels
        if hasattr(configuration, "use_cache"):
            configuration.use_cache = False  # of use for generation only, which asks for it
        if self.dropout is not None:
            _set_dropout(configuration, self.dropout)
        if self.texts is not None or not builds_vocabulary(self.config):
            self._fit_to_tokenizer(configuration)

    def tokenizer(self) -> Any:
        """Load the tokenizer that belongs to the model."""
        return load_tokenizer(self.config, self.texts)

    def _configuration(self) -> Any:
        architectures.register()
        unpadding.register()
        with quiet(), explained(self.config):
            configuration = transformers.AutoConfig.from_pretrained(self.config.source, **origin(self.config))
        if "/" in (getattr(configuration, "_attn_implementation", None) or ""):
            raise ModelError(f"{self.config.name}: attention by a kernel of the hub is code that nobody asked for")
        architectures.patch_library(configuration)
        unknown = [name for name in self.config.overrides if not hasattr(configuration, name)]
        if unknown:
            kind = configuration.model_type
            raise ModelError(f"{self.config.name}: overrides.{unknown[0]}: {kind} has no such setting")
        configuration.update(self.config.overrides)
        return configuration

    def _fit_to_tokenizer(self, configuration: Any) -> None:
        tokenizer = self.tokenizer()
        for remark in align(configuration, tokenizer):
            logger.info("%s: %s", self.config.name, remark)
        if "from" in self.config.tokenizer:
            if not self.config.random_init:
                raise ModelError(f"{self.config.name}: tokenizer.from: pretrained weights know only their own tokens")
            configuration.vocab_size = len(tokenizer)

    def _pools(self, configuration: Any) -> bool:
        return self.config.pooling == "mean" and configuration.model_type != MeanPoolingConfig.model_type

    def _pooled(self, configuration: Any) -> tuple[nn.Module, frozenset[str]]:
        """Return the bare encoder under a head that has no weights yet."""
        encoder, missing = self._module("AutoModel", configuration)
        module = MeanPoolingForSequenceClassification(MeanPoolingConfig.around(configuration), encoder)
        names = {f"encoder.{name}" for name in missing} | {"classifier.weight", "classifier.bias"}
        return module, frozenset(names & {name for name, _ in module.named_parameters()})

    def _module(self, auto_class: str, configuration: Any) -> tuple[nn.Module, frozenset[str]]:
        """Return the model, and the names of its parameters that have no weights yet."""
        loader = self._loader(auto_class, configuration)
        if self.config.random_init:
            choices = {**self._attention(), **code_of(self.config, configuration, auto_class)}
            module = loader.from_config(configuration, dtype=torch.float32, **choices)
            return module, frozenset(name for name, _ in module.named_parameters())
        return self._pretrained(loader, configuration)

    def _loader(self, auto_class: str, configuration: Any) -> Any:
        loader = getattr(transformers, auto_class)
        if not self.config.trust_remote_code and type(configuration) not in loader._model_mapping:
            head = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", auto_class.removeprefix("AutoModelFor")).lower()
            raise ModelError(f"{self.config.name}: {configuration.model_type} has no head for {head}")
        if auto_class == _WRITES and not getattr(configuration, "is_decoder", True):
            raise ModelError(f"{self.config.name}: {configuration.model_type} is an encoder: it cannot write text")
        return loader

    def _pretrained(self, loader: Any, configuration: Any) -> tuple[nn.Module, frozenset[str]]:
        prefetch(self.config.source, self.config.revision)
        module, report = loader.from_pretrained(
            self.config.source,
            config=configuration,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **self._attention(),
            **self._quantization(loader, configuration),
            **_weights(self.config),
            **origin(self.config),
        )
        known = {name for name, _ in module.named_parameters()}
        missing = frozenset(report["missing_keys"]) & known
        if missing == known:
            kind = configuration.model_type
            raise ModelError(f"{self.config.name}: {self.config.source} holds none of the weights of {kind}")
        missing |= self._of_other_shapes(module, report["mismatched_keys"])
        settle(module)
        absent = sorted(f"{name}.weight" for name, _ in quantized_layers(module) if f"{name}.weight" in missing)
        if absent:
            raise ModelError(f"{self.config.name}: {absent[0]} is not in the checkpoint: there is nothing to quantise")
        return module, missing

    def _of_other_shapes(self, module: nn.Module, mismatched: Iterable[tuple[str, Any, Any]]) -> frozenset[str]:
        """Return the weights for another number of labels; only a head may have them, else ModelError is raised."""
        outside = outside_body(module)
        for name, there, here in sorted(mismatched):
            if name not in outside:
                shapes = f"{name} has the shape {tuple(there)} there, {tuple(here)} by its configuration"
                raise ModelError(f"{self.config.name}: {self.config.source} cannot be loaded: {shapes}")
        return frozenset(name for name, _, _ in mismatched)

    def _attention(self) -> dict[str, str]:
        return {} if self.attention is None else {"attn_implementation": self.attention}

    def _quantization(self, loader: Any, configuration: Any) -> dict[str, Any]:
        if self.quantization is None:
            return {}
        with torch.device("meta"):
            code = code_of(self.config, configuration, loader.__name__)
            architecture = loader.from_config(copy.deepcopy(configuration), **code)
        return quantization_arguments(architecture, self.config.precision)


def instantiate(pretrained: PretrainedModel, seed: int) -> nn.Module:
    """Return a copy whose missing parameters are drawn from `seed` alone, so that warm equals cold bit for bit.

    Weights of normalisation layers keep the constant that their architecture starts from, biases are 0, everything
    else is N(0, initializer_range), and the padding row of an embedding is 0 (Devlin et al. 2019). Neither torch's
    global generator nor the order of runs matters.
    """
    module = copy.deepcopy(pretrained.module)
    settle(module)
    generator = torch.Generator().manual_seed(seed)
    layers = owners(module)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in pretrained.missing:
                _draw(layers[name], name.rsplit(".", 1)[-1], parameter, pretrained.initializer_range, generator)
    setattr(module, _NEW, pretrained.missing | pretrained.head)
    return module


def new_parameters(model: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that train whatever a technique freezes: the task's head and what was drawn.

    For a model without any pretrained weights, these are the parameters outside its body.
    """
    new: frozenset[str] = getattr(model, _NEW, frozenset())
    return new if new < {name for name, _ in model.named_parameters()} else outside_body(model)


def _draw(owner: nn.Module, name: str, parameter: nn.Parameter, deviation: float, generator: torch.Generator) -> None:
    if "bias" in name:
        parameter.zero_()
        return
    if "norm" in type(owner).__name__.lower():
        return
    parameter.normal_(0.0, deviation, generator=generator)
    padding = getattr(owner, "padding_idx", None)
    if padding is not None:
        parameter[padding].zero_()


def _set_dropout(configuration: Any, dropout: float) -> None:
    """Set every dropout probability of the configuration; one that is None follows another and stays as it is."""
    for name, value in list(vars(configuration).items()):
        if _DROPOUT.search(name) and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(configuration, name, dropout)


def _weights(config: ModelConfig) -> dict[str, Any]:
    """Allow safetensors only, except that a pinned hub commit may hold pickles (DeBERTa-v3 comes in no other form).

    Torch's restricted unpickler reads those; it builds tensors and runs no code.
    """
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")  # else transformers has a hub service convert them
    trusted = not Path(config.source).is_absolute() and is_commit(config.revision)
    return {"weights_only": True} if trusted else {"use_safetensors": True}
