"""Resolves the files an experiment names: absolute paths, hashes of the user's own files, and whether code may run.

A results directory is data: the code that its experiment names runs only when the user says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.config.experiment import Adapt, AdaptOverride, Experiment, ModelEntry, init_from_parts
from orchestrator.config.run_spec import RunSpec
from orchestrator.config.yaml_file import KeyPath
from orchestrator.errors import UserError
from trainables import registry
from trainables.config import DataConfig, SplitConfig
from trainables.data.splits import ids_fingerprint

if TYPE_CHECKING:
    from orchestrator.config.loaded import Loaded


AdaptType = TypeVar("AdaptType", Adapt, AdaptOverride)


def anchored(experiment: Experiment, folder: Path) -> Experiment:
    """Return a copy whose relative paths start at `folder`; workers have other working directories."""
    return experiment.model_copy(
        update={
            "task": _named_file(experiment.task, folder),
            "data": _anchored_data(experiment.data, folder),
            "split": _anchored_split(experiment.split, folder),
            "adapt": None if experiment.adapt is None else _anchored_adapt(experiment.adapt, folder),
            "init_from": _anchored_init_from(experiment.init_from, folder),
            "compare": experiment.compare.model_copy(update={"metric": _metric(experiment.compare.metric, folder)}),
            "models": {name: _anchored_model(entry, folder) for name, entry in experiment.models.items()},
            "recipes": {
                name: {_named_file(variant, folder): options for variant, options in recipe.items()}
                for name, recipe in experiment.recipes.items()
            },
        }
    )


def file_hashes(experiment: Experiment) -> dict[str, str]:
    """Return the SHA-256 of every user file whose content affects results: task, data set, metric, variants, split ids.

    A file that does not exist is left out: whoever loads it says which key names it. Raises UserError or DataError for
    a file that cannot be read.
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
    files = [name for name in named if name is not None and registry.is_path(name) and Path(name).exists()]
    hashes = {name: _sha256(Path(name)) for name in files}
    return hashes | {split.ids: ids_fingerprint(split.ids) for split in splits if split.ids is not None}


def require_unchanged(spec: RunSpec) -> None:
    """Raise UserError if a Python file that a run names has changed since the run's id was computed."""
    named = (spec.config.task, spec.config.data.name, spec.config.metric, *spec.config.variants)
    for name in named:
        if name in spec.file_hashes and _sha256(Path(name)) != spec.file_hashes[name]:
            raise UserError(f"{name} was edited after the sweep began; run the sweep again to run the edited file")


def _anchored_model(entry: ModelEntry, folder: Path) -> ModelEntry:
    changed = {
        "path": None if entry.path is None else _absolute(entry.path, folder),
        "init_from": _anchored_init_from(entry.init_from, folder),
        "adapt": _anchored_adapt(entry.adapt, folder) if isinstance(entry.adapt, AdaptOverride) else entry.adapt,
    }
    return entry.model_copy(update={name: value for name, value in changed.items() if value != getattr(entry, name)})


def _anchored_data(data: DataConfig, folder: Path) -> DataConfig:
    name = None if data.name is None else _named_file(data.name, folder)
    parts = ("path", "train", "validation", "test")
    return data.model_copy(update={"name": name, **{part: _files(getattr(data, part), folder) for part in parts}})


def _files(written: Any, folder: Path) -> Any:
    """Return the files of one part with absolute paths; anything else (true, false, null) as it is."""
    if isinstance(written, tuple):
        return tuple(_absolute(path, folder) for path in written)
    return _absolute(written, folder) if isinstance(written, str) else written


def _anchored_split(split: SplitConfig, folder: Path) -> SplitConfig:
    return split if split.ids is None else split.model_copy(update={"ids": _absolute(split.ids, folder)})


def _anchored_adapt(adapt: AdaptType, folder: Path) -> AdaptType:
    changed: dict[str, Any] = {}
    if "split" in adapt.model_fields_set:
        changed["split"] = _anchored_split(adapt.split, folder)
    if isinstance(adapt, Adapt):
        changed["data"] = _anchored_data(adapt.data, folder)
    return adapt.model_copy(update=changed)


def _anchored_init_from(written: str | None, folder: Path) -> str | None:
    if written is None:
        return None
    results, run_id = init_from_parts(written)
    return written if results is None else f"{_absolute(results, folder)}/{run_id}"


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


PRESET = ".py"


@dataclass(frozen=True)
class NamedCode:
    """Code that an experiment names, and the key that names it: a Python file, or a model's own code."""

    path: KeyPath
    what: str

    def __str__(self) -> str:
        """`task: ./my_task.py`."""
        return f"{'.'.join(map(str, self.path))}: {self.what}"


def named_code(experiment: Experiment) -> tuple[NamedCode, ...]:
    """Return all the code that would run, in the order of the file."""
    files = [*_python_files(experiment), *_models(experiment), *_variants(experiment)]
    return tuple(NamedCode(path, what) for path, what in files)


def require_permission(loaded: Loaded) -> None:
    """Raise UserError if an experiment that came with results names code, and the user has not allowed it to run."""
    codes = named_code(anchored(loaded.experiment, loaded.folder))
    if not codes or loaded.may_run_code:
        return
    named = "\n".join(f"  {code}" for code in codes)
    raise UserError(
        f"{loaded.document.source} belongs to a results directory, which is data, and names code:\n{named}\n"
        "read the code first; then add --run-code to run it"
    )


def _python_files(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    written: list[tuple[KeyPath, str | None]] = [
        (("task",), experiment.task),
        (("data", "name"), experiment.data.name),
        (("compare", "metric"), experiment.compare.metric),
    ]
    if experiment.adapt is not None:
        written.append((("adapt", "data", "name"), experiment.adapt.data.name))
    yield from ((path, name) for path, name in written if name is not None and registry.is_path(name))


def _models(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    for name, entry in experiment.models.items():
        preset = next((written for written in (entry.path, name) if str(written).endswith(PRESET)), None)
        if preset is not None:
            yield ("models", name), preset
        if entry.trust_remote_code:
            yield ("models", name, "trust_remote_code"), f"the code of {entry.hub or name}"


def _variants(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
    for recipe, variants in experiment.recipes.items():
        yield from ((("recipes", recipe), name) for name in variants if registry.is_path(name))
