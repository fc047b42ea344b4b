"""Turns the `adapt` part of an experiment into the runs that come first: one per model, for all seeds and recipes."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.config.error_messages import Check
from orchestrator.config.experiment import TASK, Adapt, AdaptOverride, Experiment, ModelEntry, init_from_parts
from orchestrator.config.run_spec import RunSpec
from trainables import registry
from trainables.config import ModelConfig, RunConfig
from trainables.protocols.task import Task

RECIPE = "default"


def adapt_system(model: str) -> str:
    """Return the name of a model's adaptation in tables; no compared system has such a name."""
    return f"adapt:{model}"


def check_initial_weights(check: Check, experiment: Experiment) -> None:
    """Check that no model starts from both its adaptation and another run."""
    for name, entry in experiment.models.items():
        if adapt_of(experiment, name) is not None and init_from_of(experiment, entry) is not None:
            path = ("models", name, "init_from") if entry.init_from else ("init_from",)
            check.add(path, f"{name} would start from this run and from its adaptation; write `adapt: false` for it")


def adapt_of(experiment: Experiment, model: str) -> Adapt | None:
    """Return the settings of a model's adaptation, or None."""
    override = experiment.models[model].adapt
    if experiment.adapt is None or override is False:
        return None
    return override.over(experiment.adapt) if isinstance(override, AdaptOverride) else experiment.adapt


def init_from_of(experiment: Experiment, entry: ModelEntry) -> str | None:
    """Return the `init_from` of a model: its own, or the experiment's."""
    return entry.init_from or experiment.init_from


def adaptations(
    experiment: Experiment, models: Mapping[str, ModelConfig], file_hashes: Mapping[str, str]
) -> dict[str, RunSpec]:
    """Return the adaptation of each model that has one, in the order of `models`; everything in it is resolved."""
    task: Task = registry.load("task", TASK)
    runs: dict[str, RunSpec] = {}
    for model, config in models.items():
        adapt = adapt_of(experiment, model)
        if adapt is None:
            continue
        runs[model] = RunSpec(
            experiment=experiment.experiment,
            stage="adapt",
            system=adapt_system(model),
            recipe=RECIPE,
            metric=task.primary_metric,
            file_hashes=dict(file_hashes),
            keep=True,
            keep_epochs=adapt.keep_epochs,
            config=RunConfig(
                task=TASK,
                task_options=task.configured(adapt.task_options()).options.model_dump(mode="json"),
                data=adapt.data,
                model=config,
                train=adapt.train(),
                split=adapt.split,
                seed=adapt.seed,
                direction="minimize",
            ),
        )
    return runs


def initial_weights(
    experiment: Experiment, model: str, adapted: Mapping[str, RunSpec]
) -> tuple[str | None, str | None]:
    """Return the id of the run whose best weights a model starts from, and its results directory.

    No run id: the model's own weights. No directory: the sweep's own.
    """
    if model in adapted:
        return adapted[model].run_id, None
    written = init_from_of(experiment, experiment.models[model])
    if written is None:
        return None, None
    results, run_id = init_from_parts(written)
    return run_id, results
