"""Loads tokenizers and pretrained models safely, and draws what a checkpoint lacks from the run's own seed."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import nn

from trainables.engine.config import ModelConfig
from trainables.engine.hub import is_commit

_DROPOUT = re.compile(r"(^|_)drop(out)?(_|$)")


class ModelError(ValueError):
    """A model or tokenizer that cannot be used: the message says which, why, and what to do."""


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
    """Where a task gets its model from; `attention` and `dropout` are choices of the run, None leaves the default."""

    config: ModelConfig
    attention: str | None = None
    dropout: float | None = None

    def load(self, auto_class: str, labels: Sequence[str]) -> Pristine:
        """The model as the Hugging Face class `auto_class` ("AutoModelFor..."), with one output a label.

        Raises ModelError for weights that are absent, not safetensors, or of other shapes than the configuration says.
        """
        configuration = self.configuration(labels)
        loader = getattr(transformers, auto_class)
        with _quiet(), torch.random.fork_rng(devices=[]), _explained(self.config):
            if self.config.random_init:
                module = loader.from_config(
                    configuration, dtype=torch.float32, **self._attention(), **_code(self.config)
                )
                missing = frozenset(name for name, _ in module.named_parameters())
            else:
                module, missing = self._pretrained(loader, configuration)
        return Pristine(module.float().eval(), missing, float(getattr(configuration, "initializer_range", 0.02)))

    def configuration(self, labels: Sequence[str]) -> Any:
        """The model's configuration with the preset's overrides, the labels and the run's dropout."""
        found = self._configuration()
        names = dict(enumerate(labels))
        found.update({"id2label": names, "label2id": {label: index for index, label in names.items()}})
        if self.dropout is not None:
            _set_dropout(found, self.dropout)
        return found

    def _configuration(self) -> Any:
        with _quiet(), _explained(self.config):
            found = transformers.AutoConfig.from_pretrained(self.config.source, **_origin(self.config))
        unknown = [name for name in self.config.overrides if not hasattr(found, name)]
        if unknown:
            raise ModelError(f"{self.config.name}: overrides.{unknown[0]}: {found.model_type} has no such setting")
        found.update(self.config.overrides)
        return found

    def _pretrained(self, loader: Any, configuration: Any) -> tuple[nn.Module, frozenset[str]]:
        module, report = loader.from_pretrained(
            self.config.source,
            config=configuration,
            dtype=torch.float32,
            output_loading_info=True,
            **self._attention(),
            **_weights(self.config),
            **_origin(self.config),
        )
        known = {name for name, _ in module.named_parameters()}
        missing = frozenset(report["missing_keys"]) & known
        if missing == known:
            kind = configuration.model_type
            raise ModelError(f"{self.config.name}: {self.config.source} holds none of the weights of {kind}")
        return module, missing

    def _attention(self) -> dict[str, str]:
        return {} if self.attention is None else {"attn_implementation": self.attention}


def load_tokenizer(config: ModelConfig) -> transformers.PreTrainedTokenizerBase:
    """The fast tokenizer of a model. Raises ModelError where there is none."""
    with _quiet(), _explained(config):
        tokenizer = transformers.AutoTokenizer.from_pretrained(config.source, **_origin(config), **config.tokenizer)
    if config.tokenizer.get("add_prefix_space"):
        _add_prefix_space(tokenizer)
    return tokenizer


def instantiate(pristine: Pristine, seed: int) -> nn.Module:
    """A copy of the model whose missing parameters are drawn from `seed` alone, so that warm equals cold bit for bit.

    Weights of normalisation layers are 1, biases 0, everything else N(0, initializer_range), and the padding row of an
    embedding 0 (Devlin et al. 2019). Neither torch's global generator nor the order of runs plays a role.
    """
    module = copy.deepcopy(pristine.module)
    generator = torch.Generator().manual_seed(seed)
    owners = {f"{prefix}.{name}" if prefix else name: owner for prefix, owner, name in _owned_parameters(module)}
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in pristine.missing:
                _draw(owners[name], name.rsplit(".", 1)[-1], parameter, pristine.initializer_range, generator)
    return module


def _owned_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    for prefix, owner in module.named_modules():
        for name, _ in owner.named_parameters(recurse=False):
            yield prefix, owner, name


def _draw(owner: nn.Module, name: str, parameter: nn.Parameter, deviation: float, generator: torch.Generator) -> None:
    if "bias" in name:
        parameter.zero_()
        return
    if "norm" in type(owner).__name__.lower():
        parameter.fill_(1.0)
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


def _add_prefix_space(tokenizer: Any) -> None:
    """Apply `add_prefix_space` to the tokenizer's core: transformers 5 only notes it for generic tokenizer classes."""
    found = tokenizer.backend_tokenizer.pre_tokenizer
    steps = [found] if not hasattr(found, "__len__") else [found[index] for index in range(len(found))]
    for step in steps:
        if hasattr(step, "add_prefix_space"):
            step.add_prefix_space = True


def _origin(config: ModelConfig) -> dict[str, Any]:
    """Arguments that say what is loaded and whether its code may run. Raises ModelError for code without a pin."""
    if Path(config.source).is_absolute():
        return _code(config)
    return {"revision": config.revision, **_code(config)}


def _code(config: ModelConfig) -> dict[str, Any]:
    pinned = is_commit(config.revision) or Path(config.source).is_absolute()
    if config.trust_remote_code and not pinned:
        raise ModelError(f"{config.name}: trust_remote_code also needs a pinned revision (a full commit hash)")
    return {"trust_remote_code": config.trust_remote_code}


def _weights(config: ModelConfig) -> dict[str, Any]:
    """Safetensors only, except that a pinned hub commit may hold pickles (DeBERTa-v3 comes as nothing else).

    Those are read by torch's restricted unpickler, which builds tensors and runs nothing.
    """
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")  # else transformers asks a hub service to convert them
    trusted = not Path(config.source).is_absolute() and is_commit(config.revision)
    return {"weights_only": True} if trusted else {"use_safetensors": True}


@contextmanager
def _explained(config: ModelConfig) -> Iterator[None]:
    """Errors of the libraries, named after the model they are about."""
    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        hint = ""
        folder = Path(config.source)
        if folder.is_dir() and (folder / "pytorch_model.bin").exists() and not any(folder.glob("*.safetensors")):
            hint = "; pickled weights (pytorch_model.bin) can run code and are refused: save them as safetensors"
        raise ModelError(f"{config.name}: {config.source} cannot be loaded: {_first_line(error)}{hint}") from error


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no load reports: what matters of them is returned or raised."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
