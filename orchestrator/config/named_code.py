"""Which code an experiment names beside the packages' own, and whether it may run: a results directory is data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.config.absolute_paths import anchored
from orchestrator.config.experiment import Experiment
from orchestrator.config.yaml_file import KeyPath
from orchestrator.errors import UserError
from trainables import registry

if TYPE_CHECKING:
    from orchestrator.config.load import Loaded

PRESET = ".py"


@dataclass(frozen=True)
class NamedCode:
    """Where an experiment names code, and which: a Python file, or a model's own code."""

    path: KeyPath
    what: str

    def __str__(self) -> str:
        """`task: ./my_task.py`."""
        return f"{'.'.join(map(str, self.path))}: {self.what}"


def named_code(experiment: Experiment) -> tuple[NamedCode, ...]:
    """Everything that would run, in the order of the file."""
    files = [*_files(experiment), *_models(experiment), *_variants(experiment)]
    return tuple(NamedCode(path, what) for path, what in files)


def require_permission(loaded: Loaded) -> None:
    """Raise UserError where an experiment names code that came with results, and nobody said that it may run."""
    found = named_code(anchored(loaded.experiment, loaded.folder))
    if not found or loaded.may_run_code:
        return
    named = "\n".join(f"  {code}" for code in found)
    raise UserError(
        f"{loaded.document.source} belongs to a results directory, which is data, and names code:\n{named}\n"
        "read that code; then add --run-code to run it"
    )


def _files(experiment: Experiment) -> Iterator[tuple[KeyPath, str]]:
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
