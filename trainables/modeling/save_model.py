"""Writes a run's best weights as a folder that Hugging Face tools load, and what it takes to predict as the run did.

The folder holds the model (safetensors, with its whole vocabulary), the tokenizer, `task.json` (task, options, labels,
decisions, settings) and a manifest (see `saved_model`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from analysis.tables.folder import Folder
from trainables.config import RunConfig
from trainables.modeling.pretrained import load_tokenizer, merge, quiet
from trainables.modeling.remote_code import point_to_hub
from trainables.modeling.saved_model import FORMAT, HASHED, MANIFEST, TASK_FILE, manifest_of
from trainables.modeling.vocabulary_trimming import Vocabulary, restore_embedding
from trainables.system import private_parts


@dataclass(frozen=True)
class ModelBundle:
    """A trained model with its best weights, which saving may change, and what it was trained for.

    Where the module has the embedding rows of `vocabulary` only, `whole` gives the model with all of them. `texts` are
    those that a tokenizer may be built from. `head` says what became of a head that its checkpoint brought.
    """

    module: nn.Module
    vocabulary: Vocabulary | None
    whole: Callable[[], nn.Module]
    texts: Callable[[], Iterable[str]]
    config: RunConfig
    task_options: Mapping[str, Any]
    labels: tuple[str, ...]
    thresholds: Mapping[str, float]
    head: str | None = None


def save(kept: ModelBundle, folder: Folder, facts: Mapping[str, Any]) -> None:
    """Write the folder, file by file as durably as a record. `facts` (run id, versions) go into `task.json`.

    Raises OSError; what was written until then has no manifest, and nobody takes it for whole.
    """
    folder.delete(MANIFEST)
    scratch = folder.scratch()
    scratch.mkdir(parents=True)
    try:
        _write(kept, scratch)
        (scratch / TASK_FILE).write_text(_task_json(kept, facts), encoding="utf-8")
        files = {path.relative_to(scratch).as_posix(): path for path in sorted(scratch.rglob("*")) if path.is_file()}
        manifest = manifest_of(files)
        for name, path in files.items():
            folder.adopt(path, name)
        folder.write(MANIFEST, manifest)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(kept: ModelBundle, folder: Path) -> None:
    module: Any = merge(private_parts.uncompiled(kept.module))
    if kept.vocabulary is not None:
        restore_embedding(module, kept.vocabulary, kept.whole())
    with quiet():
        module.save_pretrained(folder)
    model = kept.config.model
    load_tokenizer(model, kept.texts).save_pretrained(folder)
    if model.trust_remote_code and model.pooling is None:
        point_to_hub(folder, model.source)


def _task_json(kept: ModelBundle, facts: Mapping[str, Any]) -> str:
    content = {
        "format": FORMAT,
        HASHED: MANIFEST,
        "task": kept.config.task,
        "task_options": dict(kept.task_options),
        "labels": list(kept.labels),
        "max_length": kept.config.train.max_length,
        "decisions": dict(kept.thresholds),
        "head": kept.head,
        "attention": getattr(getattr(kept.module, "config", None), "_attn_implementation", None),
        **facts,
        "config": kept.config.model_dump(mode="json"),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n"
