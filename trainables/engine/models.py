"""Loads pretrained models safely, and draws what a checkpoint lacks from the run's own seed."""

from __future__ import annotations

import copy
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import nn

from trainables import architectures
from trainables.architectures.mean_pooling import MeanPoolingConfig, MeanPoolingForSequenceClassification
from trainables.engine import unpadding
from trainables.engine.config import ModelConfig
from trainables.engine.hub import is_commit
from trainables.engine.hub_models import prefetch
from trainables.engine.loading import ModelError, code_of, explained, origin, quiet
from trainables.engine.quantized import quantization_arguments, quantized_layers, settle
from trainables.engine.tokenizer import Texts, align, builds_vocabulary, load_tokenizer

__all__ = ["ModelError", "ModelSource", "Pristine", "instantiate", "load_tokenizer", "new_parameters", "quiet"]

logger = logging.getLogger(__name__)

_DROPOUT = re.compile(r"(^|_)drop(out)?(_|$)")
_OF_WHOLE_TEXTS = "AutoModelForSequenceClassification"
_WRITES = "AutoModelForCausalLM"
_NEW = "_new_parameters"


@dataclass(frozen=True)
class Pristine:
    """A model before its run: pretrained weights on the CPU in float32, never trained, never changed.

    `missing` names the parameters that no checkpoint provides: `instantiate` draws them from a seed.
    """

    module: nn.Module
    missing: frozenset[str]
    initializer_range: float


@dataclass(frozen=True)
class ModelSource:
    """Where a task gets its model from; `attention` and `dropout` are choices of the run, None leaves the default.

    `quantization` keeps the weights of the body in four bits, frozen. `texts` gives the texts of the data to a model
    that builds its vocabulary from them.
    """

    config: ModelConfig
    attention: str | None = None
    dropout: float | None = None
    quantization: Literal["nf4"] | None = None
    texts: Texts | None = None

    def load(self, auto_class: str, labels: Sequence[str]) -> Pristine:
        """The model as the Hugging Face class `auto_class` ("AutoModelFor..."), with one output a label.

        Raises ModelError for an architecture without such a head, and for weights that are absent, not safetensors, or
        of other shapes than the configuration says.
        """
        configuration = self.configuration(labels)
        with quiet(), torch.random.fork_rng(devices=[]), explained(self.config):
            if auto_class == _OF_WHOLE_TEXTS and self._pools(configuration):
                module, missing = self._pooled(configuration)
            else:
                module, missing = self._module(auto_class, configuration)
        module = module.eval() if self.quantization else module.float().eval()
        return Pristine(module, missing, float(getattr(configuration, "initializer_range", 0.02)))

    def configuration(self, labels: Sequence[str]) -> Any:
        """The model's configuration with the preset's overrides, the tokenizer's special ids, labels and dropout."""
        found = self._configuration()
        names = dict(enumerate(labels))
        found.update({"id2label": names, "label2id": {label: index for index, label in names.items()}})
        if hasattr(found, "use_cache"):
            found.use_cache = False  # of use for generation only, which asks for it
        if self.dropout is not None:
            _set_dropout(found, self.dropout)
        if self.texts is not None or not builds_vocabulary(self.config):
            self._fit_to_tokenizer(found)
        return found

    def tokenizer(self) -> Any:
        """The tokenizer that belongs to the model."""
        return load_tokenizer(self.config, self.texts)

    def _configuration(self) -> Any:
        architectures.register()
        unpadding.register()
        with quiet(), explained(self.config):
            found = transformers.AutoConfig.from_pretrained(self.config.source, **origin(self.config))
        unknown = [name for name in self.config.overrides if not hasattr(found, name)]
        if unknown:
            raise ModelError(f"{self.config.name}: overrides.{unknown[0]}: {found.model_type} has no such setting")
        found.update(self.config.overrides)
        return found

    def _fit_to_tokenizer(self, configuration: Any) -> None:
        tokenizer = self.tokenizer()
        for remark in align(configuration, tokenizer):
            logger.info("%s: %s", self.config.name, remark)
        if "from" in self.config.tokenizer:
            if not self.config.random_init:
                raise ModelError(f"{self.config.name}: tokenizer.from: pretrained weights know their own pieces only")
            configuration.vocab_size = len(tokenizer)

    def _pools(self, configuration: Any) -> bool:
        return self.config.pooling == "mean" and configuration.model_type != MeanPoolingConfig.model_type

    def _pooled(self, configuration: Any) -> tuple[nn.Module, frozenset[str]]:
        """The bare encoder, and over it a head that has no weights yet."""
        encoder, missing = self._module("AutoModel", configuration)
        module = MeanPoolingForSequenceClassification(MeanPoolingConfig.around(configuration), encoder)
        names = {f"encoder.{name}" for name in missing} | {"classifier.weight", "classifier.bias"}
        return module, frozenset(names & {name for name, _ in module.named_parameters()})

    def _module(self, auto_class: str, configuration: Any) -> tuple[nn.Module, frozenset[str]]:
        """The model, and the names of its parameters that have no weights yet."""
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
        settle(module)
        absent = sorted(f"{name}.weight" for name, _ in quantized_layers(module) if f"{name}.weight" in missing)
        if absent:
            raise ModelError(f"{self.config.name}: {absent[0]} is in no checkpoint: there is nothing to quantise")
        return module, missing

    def _attention(self) -> dict[str, str]:
        return {} if self.attention is None else {"attn_implementation": self.attention}

    def _quantization(self, loader: Any, configuration: Any) -> dict[str, Any]:
        if self.quantization is None:
            return {}
        with torch.device("meta"):
            code = code_of(self.config, configuration, loader.__name__)
            architecture = loader.from_config(copy.deepcopy(configuration), **code)
        return quantization_arguments(architecture, self.config.precision)


def instantiate(pristine: Pristine, seed: int) -> nn.Module:
    """A copy of the model whose missing parameters are drawn from `seed` alone, so that warm equals cold bit for bit.

    Weights of normalisation layers keep the constant that their architecture starts from, biases are 0, everything
    else N(0, initializer_range), and the padding row of an embedding 0 (Devlin et al. 2019). Neither torch's global
    generator nor the order of runs plays a role.
    """
    module = copy.deepcopy(pristine.module)
    settle(module)
    generator = torch.Generator().manual_seed(seed)
    owners = {f"{prefix}.{name}" if prefix else name: owner for prefix, owner, name in _owned_parameters(module)}
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in pristine.missing:
                _draw(owners[name], name.rsplit(".", 1)[-1], parameter, pristine.initializer_range, generator)
    setattr(module, _NEW, pristine.missing)
    return module


def new_parameters(model: nn.Module) -> frozenset[str]:
    """Names of the parameters that have to train whatever a technique freezes: those that no checkpoint provided.

    Of a model without any pretrained weights these are the parameters outside its body.
    """
    missing: frozenset[str] = getattr(model, _NEW, frozenset())
    names = {name for name, _ in model.named_parameters()}
    if missing < names:
        return missing
    body: Any = getattr(model, "base_model", model)
    inside = {id(parameter) for parameter in body.parameters()}
    return frozenset(name for name, parameter in model.named_parameters() if id(parameter) not in inside)


def _owned_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    for prefix, owner in module.named_modules():
        for name, _ in owner.named_parameters(recurse=False):
            yield prefix, owner, name


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
    """Every dropout probability that the configuration sets; one that is None follows another and is left alone."""
    for name, value in list(vars(configuration).items()):
        if _DROPOUT.search(name) and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(configuration, name, dropout)


def _weights(config: ModelConfig) -> dict[str, Any]:
    """Safetensors only, except that a pinned hub commit may hold pickles (DeBERTa-v3 comes as nothing else).

    Those are read by torch's restricted unpickler, which builds tensors and runs nothing.
    """
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")  # else transformers asks a hub service to convert them
    trusted = not Path(config.source).is_absolute() and is_commit(config.revision)
    return {"weights_only": True} if trusted else {"use_safetensors": True}
