"""Resolves an experiment: looks up names, pins models and data, names the systems, lists the runs.

Nothing here imports torch or requests a resource; all wrong names are reported at once, each with its line. The runs
of the grid have a fixed order; resuming subtracts those that are recorded. `look.py` checks an experiment without
running the code that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from orchestrator.config.absolute_paths import anchored, file_hashes, require_permission
from orchestrator.config.adapt_runs import adaptations, check_initial_weights, initial_weights
from orchestrator.config.cluster_choice import with_clusters
from orchestrator.config.error_messages import Check
from orchestrator.config.experiment import TASK, Experiment
from orchestrator.config.key_names import setting_suggestion, suggestion
from orchestrator.config.loaded import Loaded
from orchestrator.config.model_limits import check_limits
from orchestrator.config.recipes import check_compatible, control_of, incompatible_here, recipe_of, subject_of
from orchestrator.config.run_spec import RunSpec, System, system_name, tuning_of
from orchestrator.config.search_space import check_parameter_names, check_search
from orchestrator.config.yaml_file import KeyPath
from orchestrator.errors import UserError
from trainables import models, registry
from trainables.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from trainables.data import load
from trainables.data.dataset import Corpus
from trainables.protocols.task import DecidedByData, Task
from trainables.protocols.variant import Applied, Subject, unsupported_on
from trainables.system.hardware import Hardware, training_hardware

Direction = Literal["maximize", "minimize"]
_NO_MODEL = models.ResolvedModel(ModelConfig(name="", source=""), None, ())  # in place of a model with a problem


@dataclass(frozen=True)
class ResolvedExperiment:
    """An experiment with its names, paths, model revisions and data fingerprint resolved. `systems` are in grid order.

    `metric` is what `score` will be; `file_hashes` pins the user's own files that are named by path; `notes` are
    remarks about this machine, e.g. that it lacks a precision. `adaptations` are the runs that have to come first.
    `models` are the experiment's models by name, with the reasons for their precisions. `folder` holds the experiment
    file; None if that came with results, whose code must not run.
    """

    experiment: Experiment
    systems: tuple[System, ...]
    metric: str
    direction: Direction
    file_hashes: Mapping[str, str]
    notes: tuple[str, ...] = ()
    adaptations: tuple[RunSpec, ...] = ()
    models: Mapping[str, models.ResolvedModel] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def folds(self) -> tuple[int | None, ...]:
        """The folds that are run for every seed; (None,) without folds."""
        split = self.experiment.split
        if split.folds is None:
            return (None,)
        return tuple(range(split.folds)) if split.fold is None else (split.fold,)

    def run(self, system: System, seed: int, fold: int | None) -> RunSpec:
        """Return one cell of the grid."""
        return RunSpec(
            experiment=self.experiment.experiment,
            system=system.name,
            recipe=system.recipe,
            control=system.control,
            config=system.config.model_copy(update={"seed": seed, "fold": fold}),
            tuning=tuning_of(system.config),
            metric=self.metric,
            file_hashes=dict(self.file_hashes),
            start=system.start,
            unsupported=system.unsupported,
            winner_of=system.winner_of,
            keep=self.experiment.save != "none",
            keep_epochs=self.experiment.keep_epochs,
        )


def _machine() -> Hardware:
    try:
        return training_hardware()
    except ValueError as error:
        raise UserError(str(error)) from error


def resolve(loaded: Loaded, *, must_be_available: bool = True) -> ResolvedExperiment:
    """Resolve an experiment. Raises InvalidExperiment with everything that cannot be found or does not fit together.

    This runs the Python files that it names; raises UserError if they came with results and the user has not allowed
    it. `must_be_available=False` turns a model that cannot be reached from an error into a note.
    """
    require_permission(loaded)
    check, machine = Check(loaded.document), _machine()
    experiment = anchored(loaded.experiment, loaded.folder)
    task = check.attempt(("task",), lambda: registry.load("task", experiment.task))
    recipes = {name: recipe_of(check, name, recipe) for name, recipe in experiment.recipes.items()}
    presets = {name: model_of(check, name, experiment, must_be_available) for name in experiment.models}
    configs = {name: model.config for name, model in presets.items()}
    check_compatible(check, recipes, _subjects(presets, experiment))
    trains = trains_of(check, experiment, presets)
    experiment = with_fingerprints(check, experiment, task)
    hashes = check.attempt(("split", "ids"), lambda: file_hashes(experiment))
    if task is not None:
        metric = metric_of(check, experiment, task)
        options = _decided_by_data(check, experiment, task, task_options(check, experiment, task))
        experiment = with_objective(experiment, task)
    check_references(check, experiment)
    check.finish()
    experiment = with_clusters(check, experiment, task.configured(options))
    adapted, direction = adaptations(experiment, configs, hashes), experiment.compare.direction

    def system(model: str, recipe: str) -> System:
        init_from, start = initial_weights(experiment, model, adapted)
        config = RunConfig(
            task=experiment.task,
            task_options=options,
            data=experiment.data,
            model=configs[model],
            variants=recipes[recipe].variants,
            train=trains[model],
            split=experiment.split,
            seed=experiment.seeds[0],
            init_from=init_from,
            metric=None if metric == task.primary_metric else experiment.compare.metric,
            direction=direction,
        )
        applied, name = recipes[recipe].applied, system_name(model, recipe)
        unsupported = unsupported_on(machine, applied) or incompatible_here(applied, presets[model], experiment.task)
        return System(name, model, recipe, _control(experiment, name, recipe, applied), config, start, unsupported)

    systems = tuple(system(model, recipe) for recipe in experiment.recipes for model in experiment.models)
    unique = tuple({run.run_id: run for run in adapted.values()}.values())
    resolved = ResolvedExperiment(experiment, systems, metric, direction, hashes, tuple(check.notes), unique)
    _check_systems(check, resolved, task, presets)
    return replace(resolved, models=presets, folder=loaded.folder if loaded.may_run_code else None)


def model_of(check: Check, name: str, experiment: Experiment, must_be_available: bool) -> models.ResolvedModel:
    """Return the model to load, pinned to a commit or to the hash of its weights, and the preset it comes from."""
    resolved = preset_of(check, name, experiment)
    if not resolved.config.name:
        return resolved
    if must_be_available:
        config = check.attempt(_model_path(check, name), lambda: models.pin(resolved.config)) or _NO_MODEL.config
        return replace(resolved, config=config)
    try:
        return replace(resolved, config=models.pin(resolved.config))
    except ValueError as error:
        check.notes.append(f"{error}; until then its runs cannot be told apart from those of another revision")
        return resolved


def preset_of(check: Check, name: str, experiment: Experiment) -> models.ResolvedModel:
    """Return the model to load as the file and its preset say, without asking a hub; _NO_MODEL if it has a problem."""
    chosen = experiment.models[name].model_overrides()
    preset = str(chosen.pop("path")) if str(chosen.get("path", "")).endswith(".py") else name
    resolved: models.ResolvedModel | None = check.attempt(
        _model_path(check, name), lambda: models.resolved(preset, chosen)
    )
    if resolved is None:
        return _NO_MODEL
    check.notes += resolved.notes
    return replace(resolved, config=resolved.config.model_copy(update={"name": name}))


def train_of(check: Check, name: str, experiment: Experiment) -> TrainConfig:
    """Return the experiment's `train` with a model's own settings."""
    merged = experiment.train.model_copy(update=experiment.models[name].train_overrides())
    path = _model_path(check, name)
    config: TrainConfig = check.attempt(path, lambda: TrainConfig.model_validate_json(merged.model_dump_json()))
    return config


def trains_of(
    check: Check, experiment: Experiment, presets: Mapping[str, models.ResolvedModel]
) -> dict[str, TrainConfig]:
    """Return the settings that each model is trained with, after checking that the model can read such items."""
    trains = {name: train_of(check, name, experiment) for name in experiment.models}
    check_limits(check, experiment, presets, trains)
    return trains


def _model_path(check: Check, name: str) -> KeyPath:
    """Return where a model stands in the file: under its name, or at its position in a list of names."""
    written = check.document.content.get("models")
    return ("models", written.index(name)) if isinstance(written, list) and name in written else ("models", name)


def with_fingerprints(
    check: Check, experiment: Experiment, task: Task | None, skipped: Collection[KeyPath] = ()
) -> Experiment:
    """Return the experiment with its data, and the text its models are adapted to, pinned to their content.

    Data that a Python file reads cannot be pinned without running the file: `skipped` names such data. Without a task
    nothing is known about the fields that it needs.
    """
    changed: dict[str, Any] = {}
    if ("data", "name") not in skipped:
        changed["data"] = _pinned(check, experiment.data, ("data",), () if task is None else task.fields)
    if experiment.adapt is not None and ("adapt", "data", "name") not in skipped:
        adapt: Task = registry.load("task", TASK)
        text = _pinned(check, experiment.adapt.data, ("adapt", "data"), adapt.fields)
        changed["adapt"] = experiment.adapt.model_copy(update={"data": text})
    return experiment.model_copy(update=changed)


def _pinned(check: Check, config: DataConfig, path: KeyPath, fields: tuple[str, ...]) -> DataConfig:
    """Add the content's hash; report a problem if the file already names another one."""
    fingerprint: str | None = check.attempt(
        path, lambda: load.fingerprint(config.model_copy(update={"fingerprint": None}), fields, keep=True)
    )
    if fingerprint is not None and config.fingerprint not in (None, fingerprint):
        check.add(
            (*path, "fingerprint"),
            f"the data has changed since this file was written: its fingerprint is {fingerprint}; "
            "restore the data, or remove the key to use the data as it is",
        )
    return config.model_copy(update={"fingerprint": fingerprint})


def metric_of(check: Check, experiment: Experiment, task: Task) -> str:
    """Return the name of the metric that is the score: one of the task's, or that of the user's Python file."""
    written = experiment.compare.metric
    path = ("compare", "metric")
    name = written or task.primary_metric
    if name in task.minimized and experiment.compare.direction != "minimize":
        check.add(("compare", "direction"), f"must be minimize for {name}: a lower one is better")
    if written is None:
        return task.primary_metric
    if registry.is_path(written):
        metric = check.attempt(path, lambda: registry.load("metric", written))
        return task.primary_metric if metric is None else str(metric.name)
    if written not in task.metrics:
        check.add(path, f"unknown metric {written!r}{suggestion(written, task.metrics)}")
    return written


def with_objective(experiment: Experiment, task: Task) -> Experiment:
    """Return the experiment with the direction of the search's metric filled in, if the search names a metric."""
    search = experiment.search
    if search is None or search.metric is None or search.direction is not None:
        return experiment
    direction = "minimize" if search.metric in task.minimized else "maximize"
    return experiment.model_copy(update={"search": search.model_copy(update={"direction": direction})})


def task_options(check: Check, experiment: Experiment, task: Task) -> dict[str, Any]:
    """Return all options of the task with their defaults, so that writing a default changes nothing."""
    written, options = experiment.task_options, type(task.options)
    unknown = [name for name in written if name not in options.model_fields]
    for name in unknown:
        check.add(("task_options", name), f"unknown option {name!r}{setting_suggestion(name, options.model_fields)}")
    if unknown:
        return {}
    configured = check.attempt(("task_options",), lambda: task.configured(written), options)
    return {} if configured is None else dict(configured.options.model_dump(mode="json"))


def _decided_by_data(check: Check, experiment: Experiment, task: Task, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with those filled in that the data decide, so that they are part of a run's id."""
    configured = task.configured(options)
    if experiment.data.fingerprint is None or not isinstance(configured, DecidedByData):
        return options
    corpus: Corpus | None = check.attempt(("data",), lambda: load.load_corpus(experiment.data, task.fields, keep=True))
    if corpus is None:
        return options
    decided, notes = configured.decided(corpus.items)
    check.notes += notes
    return dict(decided.options.model_dump(mode="json"))


def _control(experiment: Experiment, system: str, recipe: str, applied: Sequence[Applied]) -> str | None:
    """Return the kind of control that a system is: as the experiment says, or else by its variants; None if none."""
    controls = experiment.compare.controls
    return controls.get(system, controls.get(recipe)) or control_of(applied)


def _subjects(presets: Mapping[str, models.ResolvedModel], experiment: Experiment) -> list[Callable[[bool], Subject]]:
    """Return the models that recipes act on: those that could be resolved."""
    return [partial(subject_of, model, experiment.task) for model in presets.values() if model.config.name]


def check_references(check: Check, experiment: Experiment) -> None:
    """Check that controls and searches name what exists, and that no model starts from two sets of weights."""
    check_initial_weights(check, experiment)
    if experiment.search is not None:
        check_parameter_names(check, experiment.search)
    systems = [system_name(model, recipe) for recipe in experiment.recipes for model in experiment.models]
    known = list(dict.fromkeys([*experiment.recipes, *systems]))
    baseline = experiment.compare.baseline
    if baseline is not None and baseline not in systems:
        check.add(("compare", "baseline"), f"no system is called {baseline!r}{suggestion(baseline, systems)}")
    for name in experiment.compare.controls:
        if name not in known:
            check.add(("compare", "controls", name), f"unknown system or recipe {name!r}{suggestion(name, known)}")


def _check_systems(
    check: Check, resolved: ResolvedExperiment, task: Task, presets: Mapping[str, models.ResolvedModel]
) -> None:
    """Reject systems that are the same, and a search that they cannot take."""
    _check_distinct(check, resolved)
    experiment = resolved.experiment
    if experiment.search is not None:
        subjects = {name: partial(subject_of, model, experiment.task) for name, model in presets.items()}
        check_search(check, experiment.search, resolved.systems, task, subjects)
    check.finish()


def _check_distinct(check: Check, resolved: ResolvedExperiment) -> None:
    """Reject systems that compute the same thing: they would share records, and be compared with themselves."""
    seen: dict[str, str] = {}
    for system in resolved.systems:
        settings = resolved.run(system, resolved.experiment.seeds[0], resolved.folds[0]).settings_id
        if settings in seen:
            path = ("models", system.model) if len(resolved.experiment.recipes) == 1 else ("recipes", system.recipe)
            check.add(path, f"{seen[settings]!r} and {system.name!r} are the same system under two names; drop one")
        seen.setdefault(settings, system.name)


MAXIMUM_RUNS = 10_000


def grid_runs(resolved: ResolvedExperiment, max_runs: int = MAXIMUM_RUNS) -> tuple[RunSpec, ...]:
    """List every cell, seed by seed and, within a seed, system by system, so that an early stop leaves complete pairs.

    Raises UserError for a grid larger than `max_runs`.
    """
    seeds = resolved.experiment.seeds
    size = len(seeds) * len(resolved.folds) * len(resolved.systems)
    if size > max_runs:
        parts = f"{len(resolved.systems)} systems x {len(seeds)} seeds x {len(resolved.folds)} folds"
        raise UserError(f"the grid has {size} runs ({parts}); the limit is {max_runs}: raise it with --max-runs {size}")
    return tuple(
        resolved.run(system, seed, fold) for seed in seeds for fold in resolved.folds for system in resolved.systems
    )


def pending(grid: Iterable[RunSpec], recorded: Container[str]) -> list[RunSpec]:
    """Return the cells without a committed record, in grid order, except those that this machine does not support.

    A failure is an attempt, so failed cells are pending.
    """
    return [run for run in grid if run.run_id not in recorded and run.unsupported is None]
