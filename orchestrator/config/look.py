"""Checks an experiment without running the code that it names, and says what that leaves unchecked."""

from __future__ import annotations

from functools import partial

from orchestrator.config.absolute_paths import anchored, file_hashes
from orchestrator.config.experiment import Experiment
from orchestrator.config.load import Loaded
from orchestrator.config.named_code import named_code
from orchestrator.config.problem_collector import Check
from orchestrator.config.recipes import check_suited, recipe_of, subject_of
from orchestrator.config.resolve import (
    check_references,
    metric_of,
    model_of,
    resolve,
    task_options,
    train_of,
    with_fingerprints,
    with_objective,
)
from trainables import registry
from trainables.protocols.task import Task
from trainables.registry import is_path


def look(loaded: Loaded, *, run_code: bool) -> tuple[Experiment, tuple[str, ...]]:
    """The experiment as `resolve` settles it, and notes; the code that it names is run only where that is asked for.

    Raises InvalidExperiment as `resolve` does.
    """
    if run_code or not named_code(anchored(loaded.experiment, loaded.folder)):
        resolved = resolve(loaded, must_be_available=False)
        return resolved.experiment, resolved.notes
    return _without_running_code(loaded)


def _without_running_code(loaded: Loaded) -> tuple[Experiment, tuple[str, ...]]:
    """What `resolve` finds without running any code that the experiment names; and notes, also on what that leaves out.

    Raises InvalidExperiment with everything that is wrong as far as it can be seen.
    """
    check = Check(loaded.document)
    experiment = anchored(loaded.experiment, loaded.folder)
    code = named_code(experiment)
    skipped = {part.path for part in code}
    models = [name for name in experiment.models if ("models", name) not in skipped]
    found = {name: model_of(check, name, experiment, False) for name in models}
    recipes = {
        name: recipe_of(check, name, {variant: options for variant, options in recipe.items() if not is_path(variant)})
        for name, recipe in experiment.recipes.items()
    }
    if ("task",) not in skipped:
        plain = (model for model in found.values() if model.config.name and not model.config.trust_remote_code)
        check_suited(check, recipes, [partial(subject_of, model, experiment.task) for model in plain])
        task: Task = registry.load("task", experiment.task)
        experiment = with_objective(experiment, task)
        task_options(check, experiment, task)
        if ("compare", "metric") not in skipped:
            metric_of(check, experiment, task)
    for name in experiment.models:
        train_of(check, name, experiment)
    experiment = with_fingerprints(check, experiment, skipped)
    check.attempt(("split", "ids"), lambda: file_hashes(experiment))
    check_references(check, experiment)
    check.finish()
    left_out = (f"not checked, because it is code: {part} (and what rests on it); --run-code runs it" for part in code)
    return experiment, (*check.notes, *left_out)
