"""From the `adapt` part of an experiment to the runs that come first: one a model, whatever seeds and recipes come."""

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
    """What the adaptation of a model is called in tables: no system that is compared has this name."""
    return f"adapt:{model}"


def check_starts(check: Check, experiment: Experiment) -> None:
    """A model begins with one set of weights: adapted ones, or those of another run."""
    for name, entry in experiment.models.items():
        if adapt_of(experiment, name) is not None and start_of(experiment, entry) is not None:
            path = ("models", name, "init_from") if entry.init_from else ("init_from",)
            check.add(path, f"{name} would start from this run and from its adaptation; write `adapt: false` for it")


def adapt_of(experiment: Experiment, model: str) -> Adapt | None:
    """The settings of a model's adaptation; None where there is none."""
    override = experiment.models[model].adapt
    if experiment.adapt is None or override is False:
        return None
    return override.over(experiment.adapt) if isinstance(override, AdaptOverride) else experiment.adapt


def start_of(experiment: Experiment, entry: ModelEntry) -> str | None:
    """What `init_from` says of a model."""
    return entry.init_from or experiment.init_from


def adaptations(
    experiment: Experiment, found: Mapping[str, ModelConfig], file_hashes: Mapping[str, str]
) -> dict[str, RunSpec]:
    """The adaptation of each model that has one, in the order of the models; names, paths and data are resolved."""
    task: Task = registry.load("task", TASK)
    runs: dict[str, RunSpec] = {}
    for model, config in found.items():
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


def begin(experiment: Experiment, model: str, adapted: Mapping[str, RunSpec]) -> tuple[str | None, str | None]:
    """The run whose best weights a model begins with, and the results directory it is in; None: here, or no run."""
    if model in adapted:
        return adapted[model].run_id, None
    written = start_of(experiment, experiment.models[model])
    if written is None:
        return None, None
    place, run_id = init_from_parts(written)
    return run_id, place
