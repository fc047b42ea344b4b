"""The seam for techniques: a variant adjusts the plan of a run or the model, at its stage, or says why it cannot."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

from trainables.engine.config import Frozen

if TYPE_CHECKING:
    from torch import nn


class Stage(IntEnum):
    """When a variant acts. The order of application is this order, never the order in the file."""

    LOAD = 1
    ADAPT = 2
    RECOMPUTE = 3
    COMPILE = 4
    STEP = 5


@dataclass(frozen=True)
class Plan:
    """The choices of the loop that a variant may change. `replace(**changes)` gives an adjusted copy."""

    attention: str | None = None
    bucketing: bool = False
    padding: Literal["longest", "max_length"] = "longest"
    quantization: Literal["nf4"] | None = None

    def replace(self, **changes: Any) -> Plan:
        """A copy with some choices changed."""
        return replace(self, **changes)


class WouldDoNothing(ValueError):
    """A variant found nothing to act on: running it would measure the baseline under another name."""


def keep_plan(plan: Plan, options: Any) -> Plan:
    """For variants that act on the model only."""
    return plan


def keep_model(model: nn.Module, options: Any) -> nn.Module:
    """For variants that act on the plan only."""
    return model


@dataclass(frozen=True)
class Variant:
    """One technique: its stage, its options, what it excludes, and how it adjusts the plan or the model.

    `adjust_model` runs on the freshly initialised model and raises `WouldDoNothing` where it has no effect.
    """

    name: str
    description: str
    stage: Stage
    options: type[Frozen]
    excludes: tuple[str, ...] = ()
    why_excluded: str = ""
    adjust_plan: Callable[[Plan, Any], Plan] = keep_plan
    adjust_model: Callable[[nn.Module, Any], nn.Module] = keep_model


@dataclass(frozen=True)
class Applied:
    """A variant with its validated options."""

    variant: Variant
    options: Frozen


def resolve_variants(recipe: Mapping[str, Mapping[str, Any]], load: Callable[[str], Variant]) -> tuple[Applied, ...]:
    """The variants of a recipe in order of stage, options validated, exclusions checked.

    Raises ValueError with every problem of the recipe on a line of its own.
    """
    variants = {name: load(name) for name in recipe}
    problems = [problem for name, variant in variants.items() for problem in _conflicts(variant, recipe)]
    applied = []
    for name, options in recipe.items():
        unknown = set(options) - set(variants[name].options.model_fields)
        problems += [_unknown_option(variants[name], option) for option in sorted(unknown)]
        if not unknown:
            applied.append(Applied(variants[name], variants[name].options.model_validate(dict(options))))
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(sorted(applied, key=lambda item: (item.variant.stage, item.variant.name)))


def _conflicts(variant: Variant, recipe: Mapping[str, Any]) -> list[str]:
    return [f"{variant.name} excludes {other}: {variant.why_excluded}" for other in variant.excludes if other in recipe]


def _unknown_option(variant: Variant, option: str) -> str:
    known = list(variant.options.model_fields)
    close = difflib.get_close_matches(option, known, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{variant.name} has no option '{option}'{hint} known: {', '.join(known) or 'none'}"


def plan_of(applied: tuple[Applied, ...]) -> Plan:
    """The plan after all variants have adjusted it."""
    plan = Plan()
    for item in applied:
        plan = item.variant.adjust_plan(plan, item.options)
    return plan


def adjust_model(model: nn.Module, applied: tuple[Applied, ...]) -> nn.Module:
    """The model after all variants have adjusted it."""
    for item in applied:
        model = item.variant.adjust_model(model, item.options)
    return model
