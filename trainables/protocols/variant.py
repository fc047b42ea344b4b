"""Defines variants, the techniques: each adjusts a run's plan or model at its stage, or says why it cannot."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import InitVar, dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from trainables.config import Frozen, Precision, TrainConfig
from trainables.system.hardware import Hardware

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn
    from torch.optim import Optimizer

Compute: TypeAlias = "Callable[[], tuple[torch.Tensor, torch.Tensor]]"  # a whole step: its loss and gradient norm
Recorder: TypeAlias = "Callable[[Compute], Compute]"  # the same step again, without its Python


class Stage(IntEnum):
    """When a variant acts. Variants are applied in this order, never in the order of the file."""

    LOAD = 1
    ADAPT = 2
    RECOMPUTE = 3
    COMPILE = 4
    STEP = 5


@dataclass(frozen=True)
class Plan:
    """The choices of the loop that a variant may change. `replace(**changes)` returns an adjusted copy.

    `unpadded`        the blocks of the model compute only on real tokens, however a batch is padded
    `width_multiple`  batches are padded to a multiple of this many tokens and always have a mask, so that few shapes
                      occur; None: each batch is as narrow as possible and has a mask only if something is padded
    `optimizer`       builds the optimizer from parameter groups; None: fused AdamW
    `recorder`        captures a whole step once for each shape and replays it; None: every step is launched anew
    `records_itself`  what already captures parts of the step, so that it cannot be captured as a whole
    `misplaced`       returns a (wrong) order of the features, given their lengths and a generator, in which the outputs
                      of an evaluation are assigned to features; None: each output belongs to its feature
    """

    attention: str | None = None
    unpadded: bool = False
    bucketing: bool = False
    padding: Literal["longest", "max_length"] = "longest"
    quantization: Literal["nf4"] | None = None
    width_multiple: int | None = None
    optimizer: Callable[[list[dict[str, Any]], TrainConfig], Optimizer] | None = None
    recorder: Recorder | None = None
    records_itself: str | None = None
    misplaced: Callable[[NDArray[np.int64], np.random.Generator], NDArray[np.int64]] | None = None

    def replace(self, **changes: Any) -> Plan:
        """Return a copy with some choices changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Subject:
    """What is known of the model that a variant acts on before anything is loaded (None: unknown).

    `attentions` lists the kernels of its architecture, `has_biases` says whether its body has biases outside
    normalisation layers, `layers` counts its blocks, and `unpads` says whether these work without padding. A
    `makeshift` precision was chosen for this machine because the experiment left it open; another machine may get
    another one.
    """

    model: str
    precision: Precision
    attentions: tuple[str, ...] | None = None
    has_biases: bool | None = None
    layers: int | None = None
    unpads: bool | None = None
    makeshift: bool = False


class NoEffect(ValueError):
    """A variant has nothing to act on: running it would measure the baseline under another name."""


def keep_plan(plan: Plan, options: Any) -> Plan:
    """Leave the plan unchanged, for variants that act only on the model."""
    return plan


def keep_model(model: nn.Module, options: Any) -> nn.Module:
    """Leave the model unchanged, for variants that act only on the plan."""
    return model


def suits_all(subject: Subject, options: Any) -> str | None:
    """Accept every model, for variants that suit all or can judge only a loaded model."""
    return None


def runs_anywhere(machine: Hardware, options: Any) -> str | None:
    """Accept every machine, for variants that need no particular device."""
    return None


def is_exact(options: Any) -> str | None:
    """Promise exact repetition, for variants that compute the same numbers in every run."""
    return None


def nothing_around(options: Any) -> AbstractContextManager[None]:
    """Change nothing around the run, for variants that need no settings of the process."""
    return nullcontext()


@dataclass(frozen=True)
class Variant:
    """One technique: its stage, its options, what it excludes and why, and how it adjusts the plan or the model.

    `adjust_model` runs on the freshly initialised model and raises `NoEffect` if it would change nothing.
    `adjust_plan` sees the choices of earlier variants and raises ValueError for those that it cannot be combined with.
    `around` applies settings of the process while the run trains and evaluates, and then restores them.

    Three functions return a reason or None, before any resource is used: `incompatible` why a model cannot take the
    variant, `unsupported` why this machine cannot run it (such a run is listed and left out), and `inexact` why a warm
    run may not repeat a cold one bit for bit. With `asks_architecture`, `incompatible` looks at more of its subject
    than name and precision. A system with a `control` variant is marked as a control wherever it appears. `unsuited` is
    the former name of `incompatible`, for users' files.
    """

    name: str
    description: str
    stage: Stage
    options: type[Frozen]
    excludes: Mapping[str, str] = field(default_factory=dict)
    adjust_plan: Callable[[Plan, Any], Plan] = keep_plan
    adjust_model: Callable[[nn.Module, Any], nn.Module] = keep_model
    around: Callable[[Any], AbstractContextManager[None]] = nothing_around
    incompatible: Callable[[Subject, Any], str | None] = suits_all
    asks_architecture: bool = False
    unsupported: Callable[[Hardware, Any], str | None] = runs_anywhere
    inexact: Callable[[Any], str | None] = is_exact
    control: Literal["negative"] | None = None
    unsuited: InitVar[Callable[[Subject, Any], str | None] | None] = None

    def __post_init__(self, unsuited: Callable[[Subject, Any], str | None] | None) -> None:
        """Accept `incompatible` under its former name."""
        if unsuited is not None:
            object.__setattr__(self, "incompatible", unsuited)


@dataclass(frozen=True)
class Applied:
    """A variant with its validated options."""

    variant: Variant
    options: Frozen


def resolve_variants(recipe: Mapping[str, Mapping[str, Any]], load: Callable[[str], Variant]) -> tuple[Applied, ...]:
    """Return the variants of a recipe in order of stage, with options validated and exclusions checked.

    Raises ValueError with all errors of the recipe, one per line.
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
    return [f"{variant.name} excludes {other}: {why}" for other, why in variant.excludes.items() if other in recipe]


def _unknown_option(variant: Variant, option: str) -> str:
    known = list(variant.options.model_fields)
    close = difflib.get_close_matches(option, known, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ";"
    return f"{variant.name} has no option '{option}'{hint} known: {', '.join(known) or 'none'}"


def plan_of(applied: tuple[Applied, ...]) -> Plan:
    """Return the plan after all variants have adjusted it."""
    plan = Plan()
    for item in applied:
        plan = item.variant.adjust_plan(plan, item.options)
    return plan


def adjust_model(model: nn.Module, applied: tuple[Applied, ...]) -> nn.Module:
    """Return the model after all variants have adjusted it."""
    for item in applied:
        model = item.variant.adjust_model(model, item.options)
    return model


@contextmanager
def around(applied: tuple[Applied, ...]) -> Iterator[None]:
    """Apply the settings of the process that the variants need, while the context lasts."""
    with ExitStack() as stack:
        for item in applied:
            stack.enter_context(item.variant.around(item.options))
        yield


def unsupported_on(machine: Hardware, applied: tuple[Applied, ...]) -> str | None:
    """Return why this machine cannot run these variants, or None."""
    reasons = (item.variant.unsupported(machine, item.options) for item in applied)
    return "; ".join(reason for reason in reasons if reason is not None) or None
