"""Starts a run from weights that another run saved: the encoder, and the head if task and labels are the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from analysis.tables.folder import Folder
from trainables.config import ModelConfig
from trainables.modeling.heads import listed
from trainables.modeling.pretrained import ModelError, ModelSource, PretrainedModel, quiet
from trainables.modeling.remote_code import HubCode, in_folder, trusted
from trainables.modeling.saved_model import fetched, saved_task
from trainables.protocols.task import Task


def pretrained_model(
    task: Task, source: ModelSource, labels: Sequence[str], saved: Folder | None, task_name: str
) -> PretrainedModel:
    """Return a run's model before it is seeded: pretrained, and with the weights of the folder `saved` if given.

    Raises ModelError or NotSaved for weights that cannot be used.
    """
    if saved is not None and source.quantization is not None:  # weights in four bits cannot be replaced one by one
        config = in_folder(source.config, fetched(saved), _code_of(source.config))
        return task.build_model(replace(source, config=config), labels)
    pretrained = task.build_model(source, labels)
    return pretrained if saved is None else with_saved_weights(pretrained, fetched(saved), task_name, labels)


def _code_of(config: ModelConfig) -> HubCode | None:
    """Return the code that the experiment allows its model to run: its own repository's, at its commit."""
    return HubCode(config.source, str(config.revision)) if trusted(config) else None


def with_saved_weights(pretrained: PretrainedModel, folder: Path, task: str, labels: Sequence[str]) -> PretrainedModel:
    """Load every weight that the saved model also has; the others stay as they are (a pooler, a new head).

    Raises ModelError for a saved model of another architecture, NotSaved for a folder that no run saved.
    """
    saved = saved_task(folder)
    module: Any = pretrained.module
    keeps_head = saved["task"] == task and saved["labels"] == list(labels)
    target: Any = module if keeps_head else module.base_model
    _require_same_family(folder, target)
    theirs = _weights(folder, type(target))
    mine = target.state_dict()
    shared = {name: tensor for name, tensor in theirs.items() if name in mine}
    _check(folder, shared, mine)
    target.load_state_dict(shared, strict=False)
    drawn = {id(parameter) for name, parameter in module.named_parameters() if name in pretrained.missing}
    given = {id(parameter) for name, parameter in target.named_parameters() if name in shared}
    names = frozenset(name for name, parameter in module.named_parameters() if id(parameter) in drawn - given)
    remark = None if keeps_head else pretrained.remark
    if not keeps_head and saved["labels"] and pretrained.head <= names:
        remark = _left_behind(saved)
    return replace(pretrained, missing=names, remark=remark)


def _left_behind(saved: Mapping[str, Any]) -> str:
    task = Path(saved["task"]).stem.replace("_", " ")
    return f"the head of the run it starts from is for {task} ({listed(saved['labels'])}): a new one is drawn"


def _require_same_family(folder: Path, target: Any) -> None:
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    if kind != target.config.model_type:
        raise ModelError(f"{folder}: has another architecture: {kind} there, {target.config.model_type} here")


def _weights(folder: Path, architecture: Any) -> dict[str, Tensor]:
    """Return the weights in the folder that fit this architecture (a whole model or the bare encoder)."""
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            module, report = architecture.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(f"{folder}: the saved weights cannot be loaded: {error}") from error
    return {name: tensor for name, tensor in module.state_dict().items() if name not in report["missing_keys"]}


def _check(folder: Path, shared: Mapping[str, Tensor], mine: Mapping[str, Tensor]) -> None:
    other = next((name for name, tensor in shared.items() if tensor.shape != mine[name].shape), None)
    if other is not None:
        shapes = f"{tuple(shared[other].shape)} there, {tuple(mine[other].shape)} here"
        raise ModelError(f"{folder}: has another architecture: {other} has the shape {shapes}")
    if not shared:
        raise ModelError(f"{folder}: has none of this model's weights")
