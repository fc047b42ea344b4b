"""Looks up the variants of recipes and checks them against each other and against the models."""

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
    """Variants in order of stage. `variants` has all their options as JSON values, under the names as written."""

    variants: Variants = field(default_factory=dict)
    applied: tuple[Applied, ...] = ()


def recipe_of(check: Check, name: str, written: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """Return the recipe with all defaults written out, so that writing one changes nothing; problems go to `check`."""
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
    """Return the kind of control that these variants make of a system, whatever the experiment says; or None."""
    return next((item.variant.control for item in applied if item.variant.control is not None), None)


def check_compatible(
    check: Check, recipes: Mapping[str, Recipe], subjects: Sequence[Callable[[bool], Subject]]
) -> None:
    """Report variants that a model cannot take. A subject is called with whether its architecture has to be known."""
    for name, recipe in recipes.items():
        for written, item in zip(recipe.variants, recipe.applied, strict=True):
            reasons = (_refusal(item, subject) for subject in subjects)
            for reason in dict.fromkeys(reason for reason in reasons if reason is not None):
                check.add(("recipes", name, written), reason)


def _refusal(item: Applied, ask: Callable[[bool], Subject]) -> str | None:
    """Return why the model cannot take the variant, or None.

    If its precision is only this machine's makeshift, the variant has to be incompatible in every precision.
    """
    if item.variant.incompatible is suits_all:
        return None
    subject = ask(item.variant.asks_architecture)
    others = [replace(subject, precision=other) for other in _PRECISIONS] if subject.makeshift else []
    reasons = [item.variant.incompatible(one, item.options) for one in (subject, *others)]
    return None if None in reasons else reasons[0]


def incompatible_here(applied: Sequence[Applied], model: models.ResolvedModel, task: str) -> str | None:
    """Return why a model cannot take these variants in this machine's makeshift precision, or None."""
    if not model.makeshift:
        return None
    asked = ((item, subject_of(model, task, item.variant.asks_architecture)) for item in applied)
    reasons = (item.variant.incompatible(subject, item.options) for item, subject in asked)
    return "; ".join(reason for reason in reasons if reason is not None) or None


def subject_of(model: models.ResolvedModel, task: str, asks_architecture: bool) -> Subject:
    """Return what is known about a model: from its preset, or from its architecture on the meta device."""
    config, preset = model.config, model.preset
    if preset is None:
        facts = _inspected(config.model_dump_json(), task, registry.content_of(task)) if asks_architecture else {}
        attentions = facts.get("attentions")
        known = {name: facts.get(name) for name in ("has_biases", "layers", "unpads")}
        kernels = None if attentions is None else tuple(attentions)
        return Subject(config.name, config.precision, kernels, **known, makeshift=model.makeshift)
    layers = config.overrides.get("num_hidden_layers", preset.layers)
    declared = (preset.attentions, preset.has_biases, layers, preset.unpads)
    return Subject(config.name, config.precision, *declared, makeshift=model.makeshift)


@functools.lru_cache(maxsize=32)
def _inspected(config: str, task: str, content: str) -> dict[str, Any]:
    """Return the facts about a model from a fresh process; {} if they cannot be had; the run then finds out.

    They hold for this `content` of the task.
    """
    try:
        facts: dict[str, Any] = fresh_process.call(
            "trainables.tools.inspect_model:inspect_model", {"model": json.loads(config), "task": task}
        )
    except ProcessFailed as error:
        logger.debug("the model cannot be inspected: %s", error)
        return {}
    return {} if facts["error"] else facts
