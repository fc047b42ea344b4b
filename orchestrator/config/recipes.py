"""Recipes as they will be applied: variants looked up, checked against each other, and against the models."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from orchestrator.config.error_messages import Check
from trainables import models, registry
from trainables.config import Precision
from trainables.protocols.variant import Applied, Subject, Variant, plan_of, resolve_variants, suits_all
from trainables.system import fresh_process
from trainables.system.fresh_process import ProcessFailed

logger = logging.getLogger(__name__)
Variants = dict[str, dict[str, Any]]
_PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class Recipe:
    """Variants in order of stage. `variants` has all their options, as JSON takes them, under the names as written."""

    variants: Variants = field(default_factory=dict)
    applied: tuple[Applied, ...] = ()


def recipe_of(check: Check, name: str, written: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """The recipe with every default written out, so that writing one down changes nothing; problems go to `check`."""
    before = len(check.problems)
    loaded: dict[str, Variant] = {}
    for variant, options in written.items():
        path = ("recipes", name, variant)
        loaded[variant] = check.attempt(path, partial(registry.load, "variant", variant))
        if loaded[variant] is not None:
            action = partial(resolve_variants, {variant: options}, loaded.__getitem__)
            check.attempt(path, action, loaded[variant].options)
    if len(check.problems) > before:
        return Recipe()
    applied = check.attempt(("recipes", name), lambda: resolve_variants(written, loaded.__getitem__)) or ()
    check.attempt(("recipes", name), lambda: plan_of(applied))
    keys = {id(variant): key for key, variant in loaded.items()}
    return Recipe({keys[id(item.variant)]: item.options.model_dump(mode="json") for item in applied}, applied)


def control_of(applied: Sequence[Applied]) -> str | None:
    """The kind of control that a system with these variants is, whatever the experiment says of it."""
    return next((item.variant.control for item in applied if item.variant.control is not None), None)


def check_suited(check: Check, recipes: Mapping[str, Recipe], subjects: Sequence[Callable[[bool], Subject]]) -> None:
    """Refuse what a model cannot take. A subject is called with whether its architecture has to be known."""
    for name, recipe in recipes.items():
        for written, item in zip(recipe.variants, recipe.applied, strict=True):
            reasons = (_refusal(item, subject) for subject in subjects)
            for reason in dict.fromkeys(reason for reason in reasons if reason is not None):
                check.add(("recipes", name, written), reason)


def _refusal(item: Applied, ask: Callable[[bool], Subject]) -> str | None:
    """Why the model cannot take the variant; where its precision is this machine's makeshift, in no precision."""
    if item.variant.incompatible is suits_all:
        return None
    subject = ask(item.variant.asks_architecture)
    others = [replace(subject, precision=other) for other in _PRECISIONS] if subject.makeshift else []
    reasons = [item.variant.incompatible(one, item.options) for one in (subject, *others)]
    return None if None in reasons else reasons[0]


def unsuited_here(applied: Sequence[Applied], found: models.ResolvedModel, task: str) -> str | None:
    """Why a model cannot take these variants in a precision that is this machine's makeshift, or None."""
    if not found.makeshift:
        return None
    asked = ((item, subject_of(found, task, item.variant.asks_architecture)) for item in applied)
    reasons = (item.variant.incompatible(subject, item.options) for item, subject in asked)
    return "; ".join(reason for reason in reasons if reason is not None) or None


def subject_of(found: models.ResolvedModel, task: str, asks_architecture: bool) -> Subject:
    """What is known of a model: what its preset declares, or what its architecture says on the meta device."""
    config, preset = found.config, found.preset
    if preset is None:
        facts = _inspected(config.model_dump_json(), task, registry.content_of(task)) if asks_architecture else {}
        attentions = facts.get("attentions")
        known = {name: facts.get(name) for name in ("has_biases", "layers", "unpads")}
        kernels = None if attentions is None else tuple(attentions)
        return Subject(config.name, config.precision, kernels, **known, makeshift=found.makeshift)
    layers = config.overrides.get("num_hidden_layers", preset.layers)
    declared = (preset.attentions, preset.has_biases, layers, preset.unpads)
    return Subject(config.name, config.precision, *declared, makeshift=found.makeshift)


@functools.lru_cache(maxsize=32)
def _inspected(config: str, task: str, content: str) -> dict[str, Any]:
    """The facts of a model from a process of its own; {} where it cannot say, and the run will.

    They hold for this `content` of the task.
    """
    try:
        facts: dict[str, Any] = fresh_process.call(
            "trainables.tools.inspect_model:inspect_model", {"model": json.loads(config), "task": task}
        )
    except ProcessFailed as error:
        logger.debug("the model cannot be looked at: %s", error)
        return {}
    return {} if facts["error"] else facts
