"""Makes the paths of an experiment absolute, and pins the user's own files that it names to their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from orchestrator.errors import UserError
from orchestrator.spec.experiment import Experiment, ModelEntry
from trainables import registry
from trainables.engine.splits import ids_fingerprint


def anchored(experiment: Experiment, folder: Path) -> Experiment:
    """A copy whose relative paths start at `folder`: workers run elsewhere, with other working directories."""
    data = experiment.data
    return experiment.model_copy(
        update={
            "task": _named_file(experiment.task, folder),
            "data": data.model_copy(
                update={
                    "name": None if data.name is None else _named_file(data.name, folder),
                    "path": None if data.path is None else _absolute(data.path, folder),
                }
            ),
            "split": experiment.split.model_copy(
                update={"ids": None if experiment.split.ids is None else _absolute(experiment.split.ids, folder)}
            ),
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
    found = {name: _sha256(Path(name)) for name in named if name is not None and registry.is_path(name)}
    if experiment.split.ids is not None:
        found[experiment.split.ids] = ids_fingerprint(experiment.split.ids)
    return found


def _anchored_model(entry: ModelEntry, folder: Path) -> ModelEntry:
    return entry if entry.path is None else entry.model_copy(update={"path": _absolute(entry.path, folder)})


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
