"""The settings that a search varies for each system; checks before anything runs that keys exist and values fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError

from orchestrator.config.error_messages import Check
from orchestrator.config.key_names import setting_suggestion, suggestion
from orchestrator.config.run_spec import System, content_id
from orchestrator.config.search import Distribution, Search
from trainables import registry
from trainables.config import RunConfig, TrainConfig
from trainables.protocols.task import Task
from trainables.protocols.variant import Subject, resolve_variants

Values = dict[str, Any]
Ask = Callable[[bool], Subject]
PARTS = ("train", "task_options", "recipes")


@dataclass(frozen=True)
class Space:
    """The part of a search that concerns one system. `own` has the values that the file gives it."""

    system: System
    parameters: Mapping[str, Distribution]
    own: Mapping[str, Any]

    def config(self, values: Mapping[str, Any]) -> RunConfig:
        """Return the system's configuration with these values. Raises ValueError for an invalid one."""
        return with_values(self.system.config, values)


def space_of(search: Search, system: System) -> Space:
    """Return the settings to vary for a system: those it has, unless the file restricts them to other systems."""
    parameters = {key: values for key, values in search.parameters.items() if _applies(key, values, system)}
    return Space(system, parameters, {key: own_value(system.config, key) for key in parameters})


def search_id(search: Search) -> str:
    """Return an id that tells the trials of this search from those of another one."""
    return content_id(search.identity())


def check_search(
    check: Check,
    search: Search,
    systems: Sequence[System],
    task: Task,
    subjects: Mapping[str, Ask],
) -> None:
    """Report every parameter that no system has, and every value that a system cannot take."""
    at = ("search", "parameters")
    if search.metric is not None and search.metric not in task.metrics:
        check.add(("search", "metric"), f"unknown metric {search.metric!r}{suggestion(search.metric, task.metrics)}")
    for key, distribution in search.parameters.items():
        _check_names(check, (*at, key), distribution, systems)
        concerned = [system for system in systems if _applies(key, distribution, system)]
        if not concerned:
            check.add((*at, key), _why_no_system(key, systems))
        for problem in dict.fromkeys(
            problem for system in concerned for problem in _problems(system, key, distribution, subjects[system.model])
        ):
            check.add((*at, key), problem)


def check_parameter_names(check: Check, search: Search) -> None:
    """Report every parameter that no system can have, whatever its model, task and recipe."""
    settings = [f"train.{name}" for name in TrainConfig.model_fields]
    for key in search.parameters:
        part, _, rest = key.partition(".")
        path = ("search", "parameters", key)
        if part not in PARTS or not rest:
            check.add(path, _no_part(key, settings))
        elif part == "train" and rest.partition(".")[0] not in TrainConfig.model_fields:
            check.add(path, f"no system has the setting {key!r}{setting_suggestion(key, settings)}")


def with_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Return a run's configuration with other values for some settings. Raises ValueError, naming what does not fit."""
    train = config.train.model_dump(mode="json")
    variants = {name: dict(options) for name, options in config.variants.items()}
    options = dict(config.task_options)
    for key, value in values.items():
        part, rest = key.split(".", 1)
        if part == "train":
            _put(train, rest.split("."), value)
        elif part == "task_options":
            options[rest] = value
        else:
            _, variant, option = _recipe_key(rest, variants)
            variants[variant][option] = value
    task = registry.load("task", config.task)
    return config.model_copy(
        update={
            "train": TrainConfig.model_validate_json(json.dumps(train)),
            "task_options": task.configured(options).options.model_dump(mode="json"),
            "variants": _normalised(variants),
        }
    )


def own_value(config: RunConfig, key: str) -> Any:
    """Return the value that a system has without a search. Raises KeyError if there is no such setting."""
    part, rest = key.split(".", 1)
    if part == "train":
        value: Any = config.train.model_dump(mode="json")
        for name in rest.split("."):
            value = None if value is None else value[name]
        return value
    if part == "task_options":
        return config.task_options[rest]
    _, variant, option = _recipe_key(rest, config.variants)
    return config.variants[variant][option]


def _applies(key: str, distribution: Distribution, system: System) -> bool:
    if distribution.models is not None and system.model not in distribution.models:
        return False
    if distribution.recipes is not None and system.recipe not in distribution.recipes:
        return False
    part, _, rest = key.partition(".")
    if part == "recipes" and _recipe_key(rest, system.config.variants)[0] != system.recipe:
        return False
    try:
        own_value(system.config, key)
    except (KeyError, ValueError, TypeError):
        return False
    return part in PARTS


def _recipe_key(rest: str, variants: Mapping[str, Any]) -> tuple[str, str, str]:
    """Split a key into recipe, variant and option; a variant that is the user's file has dots in its name."""
    for variant in variants:
        recipe, separator, option = rest.partition(f".{variant}.")
        if separator and "." not in option:
            return recipe, variant, option
    recipe, _, others = rest.partition(".")
    variant, _, option = others.rpartition(".")
    return recipe, variant, option


def _problems(system: System, key: str, distribution: Distribution, subject: Ask) -> Sequence[str]:
    problems = []
    for value in distribution.edges:
        try:
            config = with_values(system.config, {key: value})
        except ValueError as error:
            problems.append(f"{value!r} is not a valid value: {_short(error)}")
            continue
        if key.startswith("recipes."):
            _, variant, _ = _recipe_key(key.split(".", 1)[1], config.variants)
            entry = registry.load("variant", variant)
            reason = entry.incompatible(subject(entry.asks_architecture), entry.options(**config.variants[variant]))
            problems += [] if reason is None else [f"{value!r}: {reason}"]
    return problems


def _check_names(check: Check, path: tuple[str, ...], distribution: Distribution, systems: Sequence[System]) -> None:
    known = {"models": {system.model for system in systems}, "recipes": {system.recipe for system in systems}}
    for part, names in known.items():
        for name in getattr(distribution, part) or ():
            if name not in names:
                check.add((*path, part), f"unknown {part[:-1]} {name!r}{suggestion(name, sorted(names))}")


def _why_no_system(key: str, systems: Sequence[System]) -> str:
    part = key.partition(".")[0]
    known = sorted({name for system in systems for name in _keys(system.config, part, system.recipe)})
    return f"no system has the setting {key!r}{setting_suggestion(key, known)}"


def _no_part(key: str, settings: Sequence[str]) -> str:
    question, _, _ = setting_suggestion(key, settings).partition("? known")
    meant = f"{question}?" if "did you mean" in question else ""
    return f"must begin with {', '.join(f'{name}.' for name in PARTS)}, got {key!r}{meant}"


def _keys(config: RunConfig, part: str, recipe: str) -> list[str]:
    if part == "train":
        return [f"train.{name}" for name in TrainConfig.model_fields]
    if part == "task_options":
        return [f"task_options.{name}" for name in config.task_options]
    return [f"recipes.{recipe}.{variant}.{name}" for variant, options in config.variants.items() for name in options]


def _normalised(variants: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    applied = resolve_variants(variants, partial(registry.load, "variant"))
    by_name = {item.variant.name: item.options.model_dump(mode="json") for item in applied}
    loaded = {name: registry.load("variant", name).name for name in variants}
    return {name: by_name[loaded[name]] for name in variants}


def _put(content: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        content[name] = dict(content.get(name) or {})
        content = content[name]
    content[path[-1]] = value


def _short(error: ValueError) -> str:
    """Return the first line of an error."""
    if isinstance(error, ValidationError):
        message = error.errors()[0]["msg"]
        return message[0].lower() + message[1:]
    return str(error).partition("\n")[0]
