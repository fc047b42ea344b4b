"""Counts the tokens of items with a model's own tokenizer, to see before a run what `train.max_length` would cut.

Called in a fresh process (`system/fresh_process.py`) with `{"task", "options", "labels", "items", "models"}`, each
model as `{"model": ..., "max_length": n}`. Torch stays out of that process: transformers would load it, which takes a
second and more, although no tokenizer uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

UNCUT = 1_000_000  # tokens: above any item; tokenizers allocate no more than an item needs
NOT_HERE = "its tokenizer is not on this machine yet; the first run downloads it"
CUT = ("truncated_items", "answers_in_no_window")  # counts of features that say what an item lost


def token_lengths(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield for each model `p50`, `p95` and `max` tokens of an item, and how many items are cut; else `problem`.

    `fails` says that a run would end with this problem, because the task cannot use the tokenizer or `max_length`.
    Lengths include special tokens, and whatever the task adds. A question's is that of its whole context, and it counts
    as cut if its answer is in no window.
    """
    sys.modules["torch"] = None  # type: ignore[assignment]
    from trainables import registry

    try:
        task = registry.load("task", request["task"]).configured(request["options"])
    except (ImportError, ValueError) as error:
        yield from ({"problem": str(error)} for _ in request["models"])
        return
    for model in request["models"]:
        try:
            yield _measured(task, request["items"], request["labels"], model)
        except (ImportError, OSError, ValueError) as error:
            yield {"problem": str(error)}


def _measured(
    task: Any, items: Sequence[dict[str, Any]], labels: Sequence[str], model: dict[str, Any]
) -> dict[str, Any]:
    import numpy as np

    from trainables.config import ModelConfig
    from trainables.data.dataset import Corpus
    from trainables.modeling.tokenizer import load_tokenizer, training_texts

    config = ModelConfig.model_validate(model["model"])
    if not _is_here(config):
        return {"problem": NOT_HERE}
    tokenizer = load_tokenizer(config, lambda: training_texts(Corpus("", list(items), "")))
    try:
        counts = task.encode(items, tokenizer, labels, model["max_length"]).counts
    except ValueError as error:
        return {"problem": str(error), "fails": True}
    cut = np.zeros(len(items), dtype=bool)
    for name in CUT:
        cut |= counts[name] > 0 if name in counts else False
    features = task.encode(items, tokenizer, labels, UNCUT)
    lengths = np.bincount(features.item, weights=features.columns["input_ids"].lengths, minlength=len(items))
    middle, most = np.percentile(lengths, (50, 95), method="higher")
    return {"p50": int(middle), "p95": int(most), "max": int(lengths.max()), "cut_items": int(cut.sum())}


def _is_here(config: Any) -> bool:
    """Return whether the tokenizer is in a folder or in the local cache, so that nothing has to be downloaded."""
    from huggingface_hub import try_to_load_from_cache

    source, revision = config.source, config.revision
    other = config.tokenizer.get("from")
    if other == "words":
        return True
    if other is not None:
        source, revision = other, config.tokenizer.get("revision")
    names = ("tokenizer.json", "tokenizer_config.json", "config.json")
    return Path(source).is_absolute() or any(
        isinstance(try_to_load_from_cache(source, name, revision=revision), str) for name in names
    )
