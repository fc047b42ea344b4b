"""Checks what an experiment names without running it: for `validate`, and for everything that is wrong with a file.

Code that the experiment names runs only if the user says so, and what is left unchecked is said. For a file that is
wrong elsewhere, no hub is asked either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from orchestrator.config.absolute_paths import anchored, file_hashes, named_code
from orchestrator.config.error_messages import Check
from orchestrator.config.experiment import Experiment
from orchestrator.config.loaded import Loaded
from orchestrator.config.recipes import check_compatible, recipe_of, subject_of
from orchestrator.config.resolve import (
    check_references,
    metric_of,
    model_of,
    preset_of,
    resolve,
    task_options,
    trains_of,
    with_fingerprints,
    with_objective,
)
from orchestrator.config.validation import Validated
from orchestrator.config.yaml_file import Document, KeyPath
from orchestrator.errors import Problem
from trainables import registry
from trainables.models import ResolvedModel
from trainables.protocols.task import Task
from trainables.registry import is_path

_DATA: set[KeyPath] = {("data", "name"), ("adapt", "data", "name")}


def look(loaded: Loaded, *, run_code: bool, with_data: bool = True) -> tuple[Experiment, tuple[str, ...]]:
    """Resolve an experiment to check it; the code that it names runs only if `run_code`. Returns it with notes.

    Without `with_data`, the data is not even looked for. Raises InvalidExperiment as `resolve` does.
    """
    code = () if run_code else named_code(anchored(loaded.experiment, loaded.folder))
    if with_data and not code:
        resolved = resolve(loaded, must_be_available=False)
        return resolved.experiment, resolved.notes
    check = Check(loaded.document)
    experiment = anchored(loaded.experiment, loaded.folder)
    skipped: set[KeyPath] = {part.path for part in code} | (set() if with_data else _DATA)
    model = partial(model_of, check, must_be_available=False)
    experiment = _check_names(check, experiment, skipped, model)
    check.finish()
    left_out = (
        f"not checked, because it is code: {part} (and what depends on it); --run-code runs it" for part in code
    )
    return experiment, (*check.notes, *left_out)


def remaining_problems(result: Validated, document: Document, folder: Path) -> list[Problem]:
    """Return what else is wrong with an invalid document: what can be seen without running code or asking a hub."""
    assert result.experiment is not None, "only an experiment without the wrong keys can be looked at"
    check, experiment = Check(document, result.concerns), anchored(result.experiment, folder)
    skipped: set[KeyPath] = {part.path for part in named_code(experiment)}
    if experiment.data.hub is not None:
        skipped.add(("data", "name"))
    if experiment.adapt is not None and experiment.adapt.data.hub is not None:
        skipped.add(("adapt", "data", "name"))
    _check_names(check, experiment, skipped, partial(preset_of, check))
    return check.problems


def _check_names(
    check: Check, experiment: Experiment, skipped: Collection[KeyPath], model: Callable[..., ResolvedModel]
) -> Experiment:
    """Look up what an experiment names, except code and what is `skipped`; return it with its data pinned."""
    resolved = {name: model(name, experiment) for name in experiment.models if ("models", name) not in skipped}
    recipes = {
        name: recipe_of(check, name, {variant: options for variant, options in recipe.items() if not is_path(variant)})
        for name, recipe in experiment.recipes.items()
    }
    task: Task | None = None
    if ("task",) not in skipped:
        task = check.attempt(("task",), lambda: registry.load("task", experiment.task))
    if task is not None:
        known = [model for model in resolved.values() if model.config.name and not model.config.trust_remote_code]
        here = [model for model in known if model.preset is not None or model.config.revision is not None]
        check_compatible(check, recipes, [partial(subject_of, model, experiment.task) for model in here])
        experiment = with_objective(experiment, task)
        task_options(check, experiment, task)
        if ("compare", "metric") not in skipped:
            metric_of(check, experiment, task)
    trains_of(check, experiment, resolved)
    experiment = with_fingerprints(check, experiment, task, skipped)
    check.attempt(("split", "ids"), lambda: file_hashes(experiment))
    check_references(check, experiment)
    return experiment
