"""Looks at models before any resource is asked for: JSON in, JSON out, in a process of its own, on the meta device.

`python -m trainables.engine.preflight` reads a list of `{"model": ModelConfig, "task": name, "max_length": n}` from
standard input and writes, in the same order, what `inspect_model` says of each to standard output.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
import transformers

from trainables import registry
from trainables.engine.config import ModelConfig
from trainables.engine.models import ModelError, ModelSource, Pristine, load_tokenizer

_ATTENTIONS = {
    "sdpa": "_supports_sdpa",
    "flash_attention_2": "_supports_flash_attn",
    "flex_attention": "_supports_flex_attn",
}
_LABELS = ("O", "A")


class MetaSource(ModelSource):
    """A source whose models have shapes and no numbers: nothing is downloaded but configuration and tokenizer."""

    def load(self, auto_class: str, labels: Any) -> Pristine:
        """The architecture on the meta device."""
        with torch.device("meta"):
            module = getattr(transformers, auto_class).from_config(self.configuration(labels))
        return Pristine(module, frozenset(), 0.0)


def inspect_model(question: dict[str, Any]) -> dict[str, Any]:
    """Facts of one model for one task, or `error` in words.

    `parameters`, `attentions` (kernels the architecture has), `attention` (the default), `has_biases`, `max_positions`,
    `vocabulary` and `tokenizer_size`, and `problems`: what would make a run fail or mislead.
    """
    config = ModelConfig.model_validate(question["model"])
    try:
        task = registry.load("task", question["task"])
        module: Any = task.build_model(MetaSource(config), _LABELS).module
        tokenizer = load_tokenizer(config)
        facts = _facts(module, tokenizer)
        facts["problems"] = [*_problems(facts, question.get("max_length", 0)), *_encoding_problems(task, tokenizer)]
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
        "max_positions": _max_positions(configuration),
        "vocabulary": module.get_input_embeddings().num_embeddings,
        "tokenizer_size": len(tokenizer),
    }


def _max_positions(configuration: Any) -> int | None:
    """Pieces an item may have; RoBERTa counts positions from the padding index on."""
    positions = getattr(configuration, "max_position_embeddings", None)
    if positions is not None and configuration.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= configuration.pad_token_id + 1
    return positions


def _problems(facts: dict[str, Any], max_length: int) -> list[str]:
    problems = []
    if facts["tokenizer_size"] > facts["vocabulary"]:
        sizes = f"{facts['tokenizer_size']} pieces, the model {facts['vocabulary']} embeddings"
        problems.append(f"the tokenizer has {sizes}: they do not belong together")
    if facts["max_positions"] is not None and max_length > facts["max_positions"]:
        problems.append(f"train.max_length is {max_length}, but the model has {facts['max_positions']} positions")
    return problems


def _encoding_problems(task: Any, tokenizer: Any) -> list[str]:
    """What the task says when it is given a smallest item with this tokenizer."""
    item = {"id": 0, "words": ["one", "two"], "labels": list(_LABELS)}
    if not set(task.fields) <= set(item):
        return []
    try:
        task.encode([item], tokenizer, _LABELS, 16)
    except ValueError as error:
        return [str(error)]
    return []


def main() -> None:
    """Answer every question; the answers are the only thing written to standard output."""
    answers = [inspect_model(question) for question in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
