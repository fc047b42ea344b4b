"""Inspects a model on the meta device, before any resource is used.

Called in a fresh process (`system/fresh_process.py`) with `{"model": ModelConfig, "task": name}`.
"""

from __future__ import annotations

from typing import Any

import torch
import transformers

from trainables import registry
from trainables.config import ModelConfig
from trainables.modeling.hf_errors import ModelError, code_of, explained, origin, quiet
from trainables.modeling.limits import max_tokens
from trainables.modeling.pretrained import ModelSource
from trainables.modeling.tokenizer import align, builds_vocabulary, load_tokenizer
from trainables.modeling.unpadding import stack_of

_ATTENTIONS = {
    "sdpa": "_supports_sdpa",
    "flash_attention_2": "_supports_flash_attn",
    "flex_attention": "_supports_flex_attn",
}
_LABELS = ("O", "A")


class MetaSource(ModelSource):
    """A source of models with shapes but no numbers: only configuration and tokenizer are downloaded."""

    def _module(self, auto_class: str, configuration: Any) -> tuple[Any, frozenset[str]]:
        """Return the architecture on the meta device."""
        loader = self._loader(auto_class, configuration)
        with torch.device("meta"):
            return loader.from_config(configuration, **code_of(self.config, configuration, auto_class)), frozenset()


def inspect_model(request: dict[str, Any]) -> dict[str, Any]:
    """Return facts about one model for one task, or `error` in words.

    The facts: `parameters`, `attentions` (kernels the architecture has), `attention` (the default), `has_biases`,
    `layers` (None: not a stack of blocks), `unpads` (its blocks can do without padding), `max_tokens`, `vocabulary`
    and `tokenizer_size` (None: built from the data), `problems` (what would make a run fail or mislead), and `remarks`
    (special ids of the model that are replaced by its tokenizer's).
    """
    config = ModelConfig.model_validate(request["model"])
    try:
        task = registry.load("task", request["task"])
        module: Any = task.build_model(MetaSource(config), _LABELS).module
        tokenizer = None if builds_vocabulary(config) else load_tokenizer(config)
        facts = _facts(module, tokenizer)
        facts["problems"] = _encoding_problems(task, tokenizer)
        facts["remarks"] = _remarks(config, tokenizer)
    except (ModelError, OSError, ValueError, ImportError, RuntimeError) as error:
        return {"name": config.name, "error": str(error)}
    return {"name": config.name, "error": None, **facts}


def _facts(module: Any, tokenizer: Any) -> dict[str, Any]:
    configuration = module.config
    body = [name for name, _ in module.base_model.named_parameters()]
    return {
        "architecture": configuration.model_type,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "attentions": ["eager", *(name for name, flag in _ATTENTIONS.items() if getattr(module, flag, False))],
        "attention": configuration._attn_implementation,
        "has_biases": any(name.endswith(".bias") and "norm" not in name.lower() for name in body),
        "layers": getattr(configuration, "num_hidden_layers", None),
        "unpads": stack_of(module) is not None,
        "max_tokens": max_tokens(configuration.to_dict()),
        "vocabulary": module.get_input_embeddings().num_embeddings,
        "tokenizer_size": None if tokenizer is None else len(tokenizer),
    }


def _remarks(config: ModelConfig, tokenizer: Any) -> list[str]:
    if tokenizer is None:
        return []
    with quiet(), explained(config):
        configuration = transformers.AutoConfig.from_pretrained(config.source, **origin(config))
    return list(align(configuration, tokenizer))


def _encoding_problems(task: Any, tokenizer: Any) -> list[str]:
    """Return the task's error for a minimal item with this tokenizer, if any."""
    item = {"id": 0, "text": "one two", "label": _LABELS[0], "words": ["one", "two"], "labels": list(_LABELS)}
    if tokenizer is None or not set(task.fields) <= set(item):
        return []
    try:
        task.encode([item], tokenizer, _LABELS, 512)
    except ValueError as error:
        return [str(error)]
    return []
