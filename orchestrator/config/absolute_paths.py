"""Makes the paths of an experiment absolute, and pins the user's own files that it names to their content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.config.adapt import Adapt, AdaptOverride
from orchestrator.config.experiment import Experiment, ModelEntry
from orchestrator.config.names import init_from_parts
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import UserError
from trainables import registry
from trainables.config import DataConfig, SplitConfig
from trainables.data.splits import ids_fingerprint

AdaptType = TypeVar("AdaptType", Adapt, AdaptOverride)


def anchored(experiment: Experiment, folder: Path) -> Experiment:
    """A copy whose relative paths start at `folder`: workers run elsewhere, with other working directories."""
    return experiment.model_copy(
        update={
            "task": _named_file(experiment.task, folder),
            "data": _anchored_data(experiment.data, folder),
            "split": _anchored_split(experiment.split, folder),
            "adapt": None if experiment.adapt is None else _anchored_adapt(experiment.adapt, folder),
            "init_from": _anchored_start(experiment.init_from, folder),
            "compare": experiment.compare.model_copy(update={"metric": _metric(experiment.compare.metric, folder)}),
            "models": {name: _anchored_model(entry, folder) for name, entry in experiment.models.items()},
            "recipes": {
                name: {_named_file(variant, folder): options for variant, options in recipe.items()}
                for name, recipe in experiment.recipes.items()
            },
        }
    )


def file_hashes(experiment: Experiment) -> dict[str, str]:
    """SHA-256 of every file of the user's whose content decides results: task, data set, variants, split ids.

    Raises UserError or DataError for one that cannot be read.
    """
    named = [
        experiment.task,
        experiment.data.name,
        experiment.compare.metric,
        *(name for recipe in experiment.recipes.values() for name in recipe),
    ]
    splits = [experiment.split]
    if experiment.adapt is not None:
        overrides = (entry.adapt for entry in experiment.models.values() if isinstance(entry.adapt, AdaptOverride))
        splits += [adapt.split for adapt in (experiment.adapt, *overrides)]
        named.append(experiment.adapt.data.name)
    found = {name: _sha256(Path(name)) for name in named if name is not None and registry.is_path(name)}
    return found | {split.ids: ids_fingerprint(split.ids) for split in splits if split.ids is not None}


def require_unchanged(spec: RunSpec) -> None:
    """Raise UserError where a Python file that a run names is no longer the one that its id stands for."""
    named = (spec.config.task, spec.config.data.name, spec.config.metric, *spec.config.variants)
    for name in named:
        if name in spec.file_hashes and _sha256(Path(name)) != spec.file_hashes[name]:
            raise UserError(f"{name} was edited after the sweep began; run the sweep again to run the edited file")


def _anchored_model(entry: ModelEntry, folder: Path) -> ModelEntry:
    changed = {
        "path": None if entry.path is None else _absolute(entry.path, folder),
        "init_from": _anchored_start(entry.init_from, folder),
        "adapt": _anchored_adapt(entry.adapt, folder) if isinstance(entry.adapt, AdaptOverride) else entry.adapt,
    }
    return entry.model_copy(update={name: value for name, value in changed.items() if value != getattr(entry, name)})


def _anchored_data(data: DataConfig, folder: Path) -> DataConfig:
    name = None if data.name is None else _named_file(data.name, folder)
    return data.model_copy(update={"name": name, "path": None if data.path is None else _absolute(data.path, folder)})


def _anchored_split(split: SplitConfig, folder: Path) -> SplitConfig:
    return split if split.ids is None else split.model_copy(update={"ids": _absolute(split.ids, folder)})


def _anchored_adapt(adapt: AdaptType, folder: Path) -> AdaptType:
    changed: dict[str, Any] = {}
    if "split" in adapt.model_fields_set:
        changed["split"] = _anchored_split(adapt.split, folder)
    if isinstance(adapt, Adapt):
        changed["data"] = _anchored_data(adapt.data, folder)
    return adapt.model_copy(update=changed)


def _anchored_start(written: str | None, folder: Path) -> str | None:
    if written is None:
        return None
    place, run_id = init_from_parts(written)
    return written if place is None else f"{_absolute(place, folder)}/{run_id}"


def _metric(name: str | None, folder: Path) -> str | None:
    return None if name is None else _named_file(name, folder)


def _named_file(name: str, folder: Path) -> str:
    return _absolute(name, folder) if registry.is_path(name) else name


def _absolute(path: str, folder: Path) -> str:
    return path if "://" in path else str((folder / Path(path).expanduser()).resolve())


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
