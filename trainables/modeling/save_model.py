"""Writes a run's best weights as a folder that Hugging Face tools load, with all that predicting as the run did takes.

The folder holds the model (safetensors, with its whole vocabulary), the tokenizer, `task.json` (task, options, labels,
thresholds, settings) and a manifest (see `saved_model`).
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
from trainables.modeling.saved_model import FORMAT, HASHED, MANIFEST, PAIRS, TASK_FILE, manifest_of
from trainables.modeling.vocabulary_trimming import Vocabulary, restore_embedding
from trainables.system import private_parts


@dataclass(frozen=True)
class ModelBundle:
    """A trained model with its best weights, which saving may change, and what it was trained for.

    If the module has only the embedding rows of `vocabulary`, `whole` returns the model with all of them. `texts`
    returns the texts that a tokenizer may be built from. `head` says what happened to the head of the checkpoint,
    `pairs` whether the items were pairs of texts.
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
    pairs: bool = False


def save(bundle: ModelBundle, folder: Folder, facts: Mapping[str, Any]) -> None:
    """Write the folder, file by file, as durably as a record. `facts` (run id, versions) go into `task.json`.

    Raises OSError; the files written until then have no manifest, so the folder never counts as complete.
    """
    folder.delete(MANIFEST)
    scratch = folder.scratch()
    scratch.mkdir(parents=True)
    try:
        _write(bundle, scratch)
        (scratch / TASK_FILE).write_text(_task_json(bundle, facts), encoding="utf-8")
        files = {path.relative_to(scratch).as_posix(): path for path in sorted(scratch.rglob("*")) if path.is_file()}
        manifest = manifest_of(files)
        for name, path in files.items():
            folder.adopt(path, name)
        folder.write(MANIFEST, manifest)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(bundle: ModelBundle, folder: Path) -> None:
    module: Any = merge(private_parts.uncompiled(bundle.module))
    if bundle.vocabulary is not None:
        restore_embedding(module, bundle.vocabulary, bundle.whole())
    with quiet():
        module.save_pretrained(folder)
    model = bundle.config.model
    load_tokenizer(model, bundle.texts).save_pretrained(folder)
    if model.trust_remote_code and model.pooling is None:
        point_to_hub(folder, model.source)


def _task_json(bundle: ModelBundle, facts: Mapping[str, Any]) -> str:
    content = {
        "format": FORMAT,
        HASHED: MANIFEST,
        "task": bundle.config.task,
        "task_options": dict(bundle.task_options),
        "labels": list(bundle.labels),
        "max_length": bundle.config.train.max_length,
        "decisions": dict(bundle.thresholds),
        "head": bundle.head,
        PAIRS: bundle.pairs,
        "attention": getattr(getattr(bundle.module, "config", None), "_attn_implementation", None),
        **facts,
        "config": bundle.config.model_dump(mode="json"),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n"
