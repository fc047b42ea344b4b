"""Keeps the former names of modules and their members importable for the users' files that experiments name.

A run's id covers the hash of every such file, so editing an import would make its runs start over.
"""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType
from typing import Any

ENGINE = {
    **{name: f"data.{name}" for name in ("batching", "features", "items", "readers", "splits")},
    **{"corpus": "data.dataset", "data": "data.load", "feed": "data.batch_loader", "fields": "data.items"},
    **{"hub": "data.load", "stratification": "data.splits"},
    **{name: f"modeling.{name}" for name in ("heads", "remote_code", "tokenizer", "unpadding")},
    **{"hub_models": "modeling.hub", "loading": "modeling.hf_errors", "models": "modeling.pretrained"},
    **{"saved": "modeling.saved_model", "saving": "modeling.save_model", "word_vocabulary": "modeling.tokenizer"},
    **{"quantized": "modeling.pretrained", "merging": "modeling.pretrained"},
    **{"vocabulary": "modeling.vocabulary_trimming", "material": "modeling.vocabulary_trimming"},
    **{"preset": "protocols.model_preset", "task": "protocols.task", "variant": "protocols.variant"},
    **{name: f"system.{name}" for name in ("attention_kernels", "extras", "hardware")},
    **{"dropout": "system.fast_dropout", "fingerprint": "system.disk_cache"},
    **{"allocator": "system.memory", "measure": "system.memory", "node_lock": "system.disk_cache"},
    **{"kernel_probing": "tools.kernel_probe", "predicting": "tools.predictor", "preflight": "tools.inspect_model"},
    **{"probing": "tools.probe", "profiling": "tools.profile", "profiling_work": "tools.profile"},
    **{name: f"training.{name}" for name in ("checkpoint", "optimizer", "outcome", "seeding")},
    **dict.fromkeys(("best", "weights", "epoch_models"), "training.best_weights"),
    **{"columns": "training.run_columns", "control": "training.control_points"},
    **{"compiled": "training.token_cache", "warm": "training.token_cache", "tokens": "training.token_cache"},
    **{"deciding": "training.evaluation", "evaluate": "training.evaluation", "group": "training.distributed"},
    **{"loop": "training.run", "prepared": "training.setup"},
    **{"recorded": "training.optimizer", "schedule": "training.optimizer"},
    **{"resuming": "training.checkpoint", "tensors": "training.checkpoint"},
    **{"starting": "training.init_from", "training": "training.trainer", "config": "config"},
}
ROOMS = {
    **{"data.hub": "data.load", "data.stratification": "data.splits"},
    **{"modeling.quantization": "modeling.pretrained", "system.torch_private": "system.private_parts"},
    **{"tools.flops": "tools.profile", "training.thresholds": "training.evaluation"},
    **{f"training.{name}": "training.optimizer" for name in ("captured_steps", "lr_schedule")},
    **{"training.epoch_models": "training.best_weights", "training.run_cache": "training.token_cache"},
    **{"training.train_state": "training.checkpoint"},
}
MODULES = {
    **{f"trainables.engine.{old}": f"trainables.{new}" for old, new in ENGINE.items()},
    **{f"trainables.{old}": f"trainables.{new}" for old, new in ROOMS.items()},
    "trainables.engine.folder": "analysis.tables.folder",
    "trainables.engine.durable": "analysis.tables.durable_files",
    "trainables.system.folder": "analysis.tables.folder",
    "trainables.system.durable_files": "analysis.tables.durable_files",
}
ATTRIBUTES = {
    "WouldDoNothing": ("trainables.protocols.variant", "NoEffect"),
    "Pristine": ("trainables.modeling.pretrained", "PretrainedModel"),
}
MEMBERS = {"vary": "augment", "decide": "apply_thresholds", "piece_outputs": "token_outputs"}  # of a task
FOR_TYPES = re.compile(r"^if (?:typing\.)?TYPE_CHECKING:\n(?:[ \t]+.*\n|\n)*", re.MULTILINE)


def provide(source: str) -> None:
    """Make the modules that this source imports by an old name importable; no others are imported.

    What it imports for types alone is never imported, and may be as heavy as torch.
    """
    source = FOR_TYPES.sub("", source)
    for old, new in MODULES.items():
        package, _, name = old.rpartition(".")
        if package in source and _asks_for(source, package, name):
            module = sys.modules[old] = importlib.import_module(new)
            setattr(_package(package), name, module)
    for old, (home, new) in ATTRIBUTES.items():
        if re.search(rf"\bimport\s*(?:\([^)]*|[^\n(]*)\b{old}\b|\.{old}\b", source):
            module = importlib.import_module(home)
            setattr(module, old, getattr(module, new))


def with_new_members(entry: Any) -> Any:
    """Return the entry, whose class now also has the new name of every member that it defines by an old name."""
    for old, new in MEMBERS.items():
        if hasattr(type(entry), old) and not hasattr(type(entry), new):
            setattr(type(entry), new, getattr(type(entry), old))
    return entry


def _asks_for(source: str, package: str, name: str) -> bool:
    """Return whether the source contains `package.name` or `from package import name`."""
    within = rf"from\s+{re.escape(package)}\s+import\s+(?:\([^)]*|[^\n(]*)\b{name}\b"
    return re.search(rf"{re.escape(package)}\.{name}\b|{within}", source) is not None


def _package(name: str) -> Any:
    """Return the package of that name, or an empty one if it no longer exists."""
    if name == "trainables.engine" and name not in sys.modules:
        package = sys.modules[name] = ModuleType(name, "Modules under their former names.")
        package.__path__ = []
        vars(sys.modules["trainables"])["engine"] = package
    return importlib.import_module(name)
