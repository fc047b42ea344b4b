"""Modules by the names that they once had, for the files of users that experiments name.

The id of a run holds the hash of every such file: to edit an import would be to begin its runs anew.
"""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType
from typing import Any

OLD_PACKAGE = "trainables.engine"
NEW_NAMES = {
    **{
        name: f"data.{name}" for name in ("batching", "features", "hub", "items", "readers", "splits", "stratification")
    },
    **{"corpus": "data.dataset", "data": "data.load", "feed": "data.batch_loader", "fields": "data.items"},
    **{name: f"modeling.{name}" for name in ("heads", "remote_code", "tokenizer", "unpadding")},
    **{"hub_models": "modeling.hub", "loading": "modeling.hf_errors", "models": "modeling.pretrained"},
    **{"saved": "modeling.saved_model", "saving": "modeling.save_model", "word_vocabulary": "modeling.tokenizer"},
    **{"quantized": "modeling.quantization", "merging": "modeling.quantization"},
    **{"vocabulary": "modeling.vocabulary_trimming", "material": "modeling.vocabulary_trimming"},
    **{"preset": "protocols.model_preset", "task": "protocols.task", "variant": "protocols.variant"},
    **{name: f"system.{name}" for name in ("attention_kernels", "extras", "hardware")},
    **{"dropout": "system.fast_dropout", "fingerprint": "system.disk_cache"},
    **{"allocator": "system.memory", "measure": "system.memory", "node_lock": "system.disk_cache"},
    **{"kernel_probing": "tools.kernel_probe", "predicting": "tools.predictor", "preflight": "tools.inspect_model"},
    **{"probing": "tools.probe", "profiling": "tools.profile", "profiling_work": "tools.flops"},
    **{name: f"training.{name}" for name in ("checkpoint", "epoch_models", "optimizer", "outcome", "seeding")},
    **{"best": "training.best_weights", "weights": "training.best_weights", "columns": "training.run_columns"},
    **{"compiled": "training.run_cache", "warm": "training.run_cache", "control": "training.control_points"},
    **{"deciding": "training.thresholds", "evaluate": "training.evaluation", "group": "training.distributed"},
    **{"loop": "training.run", "prepared": "training.setup", "recorded": "training.captured_steps"},
    **{"resuming": "training.train_state", "tensors": "training.train_state", "schedule": "training.lr_schedule"},
    **{"starting": "training.init_from", "tokens": "training.token_cache", "training": "training.trainer"},
    "config": "config",
}
LEFT_FROM = "trainables.system"
LEFT = {name: f"analysis.tables.{name}" for name in ("folder", "durable_files")}
NEW_PLACES = {
    **{name: f"trainables.{new}" for name, new in NEW_NAMES.items()},
    "folder": LEFT["folder"],
    "durable": LEFT["durable_files"],
}


def provide(source: str) -> None:
    """Make the modules importable that this source asks for by an old name; only these are imported."""
    if LEFT_FROM in source:
        _provide_left(source)
    if OLD_PACKAGE not in source:
        return
    package = ModuleType(OLD_PACKAGE, "Modules by the names that they once had.")
    package.__path__ = []
    package.__getattr__ = _module  # type: ignore[method-assign]
    sys.modules.setdefault(OLD_PACKAGE, package)
    vars(sys.modules["trainables"]).setdefault("engine", sys.modules[OLD_PACKAGE])
    for name in set(re.findall(rf"{re.escape(OLD_PACKAGE)}\.(\w+)", source)) & set(NEW_PLACES):
        sys.modules[f"{OLD_PACKAGE}.{name}"] = _module(name)


def _provide_left(source: str) -> None:
    """The modules that went from a package that is still there to another one."""
    for name in set(re.findall(r"\w+", source)) & set(LEFT):
        module = sys.modules[f"{LEFT_FROM}.{name}"] = importlib.import_module(LEFT[name])
        setattr(importlib.import_module(LEFT_FROM), name, module)


def _module(name: str) -> Any:
    if name not in NEW_PLACES:
        raise AttributeError(name)
    return importlib.import_module(NEW_PLACES[name])
