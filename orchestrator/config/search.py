"""The `search` part of an experiment: which settings are varied, over which values, and the budget.

Searchers and schedulers are modules on disk; an experiment file names them by their module names.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from analysis.registry import Entries
from trainables.config import MAXIMUM_EPOCHS, Frozen, Positive
from trainables.registry import UnknownName

Kind = Literal["searcher", "scheduler"]
_ENTRIES: dict[Kind, Entries] = {
    "searcher": Entries("searcher", "orchestrator.hyperparameter_search.searchers"),
    "scheduler": Entries("scheduler", "orchestrator.hyperparameter_search.schedulers"),
}


def names(kind: Kind) -> list[str]:
    """Return the names of every entry of a kind, sorted; nothing is imported."""
    return _ENTRIES[kind].names()


def file_of(kind: Kind, name: str) -> Path:
    """Return the path of an entry's module, without importing it. Raises UnknownName."""
    return _ENTRIES[kind].file_of(name)


def load(kind: Kind, name: str) -> Any:
    """Import the module of an entry. Raises UnknownName."""
    return _ENTRIES[kind].module(name)


Ends = tuple[float, float]
KINDS = ("uniform", "loguniform", "integer", "choice")


class Distribution(Frozen):
    """The values one setting can take: exactly one of `uniform`, `loguniform`, `integer` and `choice`.

    `models` and `recipes` restrict it to these; without them it holds for every system that has the setting.
    """

    uniform: Ends | None = Field(default=None, description="[lowest, highest]")
    loguniform: Ends | None = Field(default=None, description="[lowest, highest], uniform on a logarithmic scale")
    integer: tuple[int, int] | None = Field(default=None, description="[lowest, highest], both included")
    choice: tuple[Any, ...] | None = Field(default=None, description="these values")
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    recipes: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_range_that_is_not_empty(self) -> Self:
        written = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(written) != 1:
            raise ValueError(f"needs exactly one of {', '.join(KINDS)}, got {' and '.join(written) or 'none'}")
        if self.choice is not None:
            _check_choice(self.choice)
        else:
            _check_ends(written[0], *getattr(self, written[0]))
        return self

    @model_serializer(mode="wrap")
    def _only_what_is_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def kind(self) -> str:
        """The one of the four that is set."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def edges(self) -> tuple[Any, ...]:
        """Values that together show whether the setting can take all of them: both ends, or every choice."""
        return tuple(getattr(self, self.kind))

    @property
    def values(self) -> tuple[Any, ...] | None:
        """Every possible value; None if they cannot be listed."""
        if self.integer is not None:
            return tuple(range(self.integer[0], self.integer[1] + 1))
        return self.choice

    def contains(self, value: Any) -> bool:
        """Return whether the value could have been drawn."""
        if self.choice is not None:
            return value in self.choice
        low, high = self.edges
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and low <= value <= high and (self.integer is None or isinstance(value, int))


def _check_choice(values: tuple[Any, ...]) -> None:
    if len(values) < 2:
        raise ValueError(f"a choice needs at least two values, got {list(values)}")
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"the choice names {twice!r} more than once")


def _check_ends(kind: str, low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"the range is empty: the first value must be below the second, got [{low:g}, {high:g}]")
    if kind == "loguniform" and low <= 0:
        raise ValueError(f"the ends of loguniform must be greater than 0 (their logarithm is taken), got {low:g}")


class Search(Frozen):
    """How hyper-parameters are searched. Every system gets the same number of trials; all trials have the same seed.

    The budget (`trials`, `hours`) is not part of a trial's identity: a larger one goes on where a smaller one ended.
    """

    parameters: Annotated[dict[str, Distribution], Field(min_length=1, max_length=1_000)] = Field(
        description="train.KEY, task_options.KEY or recipes.NAME.VARIANT.OPTION -> the values it can take"
    )
    trials: int = Field(
        default=20, ge=1, le=1_000_000, description="for every system; the first one is the file's own settings"
    )
    hours: Positive | None = Field(
        default=None, description="time during which new trials start, pauses excluded; null: no limit"
    )
    searcher: str = Field(default="tpe", description="what proposes values: random, grid, tpe")
    scheduler: str = Field(
        default="asha", description="what ends trials early: asha, asha_stopping, hyperband, median, none"
    )
    metric: str | None = Field(default=None, description="what to optimize; null: compare.metric")
    direction: Literal["maximize", "minimize"] | None = Field(
        default=None, description="whether to maximize or minimize `metric`; null: the usual direction"
    )
    reduction_factor: int = Field(
        default=3,
        ge=2,
        le=MAXIMUM_EPOCHS,
        description="asha, asha_stopping, hyperband: one in this many trials goes on",
    )
    min_epochs: int = Field(default=1, ge=1, le=MAXIMUM_EPOCHS, description="no trial ends before this epoch")
    seed: int = Field(default=0, ge=0, lt=2**32, description="seed of the proposals, and of every trial's run")

    @field_validator("searcher", "scheduler")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        kind = cast("Kind", info.field_name)
        if name not in names(kind):
            raise UnknownName(kind, name, names(kind))
        return name

    @model_validator(mode="after")
    def _a_grid_can_be_counted(self) -> Self:
        uncountable = [key for key, distribution in self.parameters.items() if distribution.values is None]
        if self.searcher == "grid" and uncountable:
            raise ValueError(f"a grid needs choices or integers; {', '.join(uncountable)} has infinitely many values")
        return self

    def identity(self) -> dict[str, Any]:
        """Return what decides which trials there are and how they end; not the budget, nor the trials' own identity."""
        return self.model_dump(mode="json", exclude={"trials", "hours", "direction"})

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs after which trials of `epochs` epochs are compared: min_epochs x reduction_factor^k."""
        most = max(0, math.ceil(math.log(epochs / self.min_epochs, self.reduction_factor)) + 1)
        steps = (self.min_epochs * self.reduction_factor**power for power in range(most))
        return tuple(step for step in steps if step < epochs)
