"""Reads the `search` block of a resolved experiment file: what was searched, how, and for how many epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from analysis.tables.schema import PARAMETER_PREFIX
from analysis.tables.trials import parameters_of

Scale = Literal["linear", "log", "choice"]
_SCALES: dict[str, Scale] = {"uniform": "linear", "loguniform": "log", "integer": "linear", "choice": "choice"}
_WITH_RUNGS = ("asha", "hyperband")


@dataclass(frozen=True)
class Parameter:
    """One searched setting: its dotted name, the scale it was drawn on, and its range or choices (as text)."""

    name: str
    scale: Scale
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """The column of the trials that holds the setting."""
        return f"{PARAMETER_PREFIX}{self.name}"


@dataclass(frozen=True)
class SearchSettings:
    """How the trials were proposed and stopped; `rungs` are epochs at which a low score could stop one."""

    parameters: tuple[Parameter, ...]
    searcher: str | None
    scheduler: str | None
    min_epochs: int
    reduction_factor: int

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs below `epochs` after which trials are compared: min_epochs * reduction_factor ** k."""
        if self.scheduler not in _WITH_RUNGS or self.reduction_factor < 2:
            return []
        rungs = [self.min_epochs]
        while rungs[-1] * self.reduction_factor < epochs:
            rungs.append(rungs[-1] * self.reduction_factor)
        return [epoch for epoch in rungs if 0 < epoch < epochs]

    @property
    def are_independent(self) -> bool:
        """Whether trials are independent draws that all ran in full, which the expected best score assumes."""
        return self.searcher == "random" and self.scheduler in ("none", None)


def read_settings(experiment: Mapping[str, Any] | None, trials: pd.DataFrame) -> SearchSettings:
    """Read the search block in its order; parameters known only from the trials follow, on a scale that fits them."""
    block = _mapping((experiment or {}).get("search"))
    written = _mapping(block.get("parameters"))
    tried = parameters_of(trials)
    named = [_parameter(name, _mapping(written.get(name)), trials) for name in [*written, *tried] if name in tried]
    return SearchSettings(
        parameters=tuple({parameter.name: parameter for parameter in named}.values()),
        searcher=block.get("searcher"),
        scheduler=block.get("scheduler"),
        min_epochs=int(block.get("min_epochs") or 1),
        reduction_factor=int(block.get("reduction_factor") or 3),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _parameter(name: str, written: Mapping[str, Any], trials: pd.DataFrame) -> Parameter:
    values = trials[f"{PARAMETER_PREFIX}{name}"].dropna()
    kind = next((kind for kind in _SCALES if kind in written), None)
    if kind == "choice" or not pd.api.types.is_numeric_dtype(values):
        listed = [_text(value) for value in written.get("choice", [])]
        return Parameter(name, "choice", choices=tuple(dict.fromkeys([*listed, *map(_text, values)])))
    ends = [float(end) for end in written.get(kind or "", ())] + values.tolist()
    scale = _SCALES[kind] if kind else "linear"
    return Parameter(name, scale, low=min(ends, default=None), high=max(ends, default=None))


def _text(value: Any) -> str:
    """Return a choice as the table's column writes it, whole numbers without a point."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def choice_of(value: Any) -> str | None:
    """Return the choice that a cell of the trials stands for; None if the parameter does not apply."""
    return None if pd.isna(value) else _text(value)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Map dotted names to their shortest unique ends: `train.learning_rate` to `learning_rate`."""
    short = {}
    for name in names:
        parts = name.split(".")
        ends = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
        others = [other for other in names if other != name]
        short[name] = next((end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)), name)
    return short


def planned_epochs(experiment: Mapping[str, Any] | None, trial: Mapping[str, Any]) -> int | None:
    """Return the epochs of this trial run in full: its own value, else its model's, else `train.epochs`."""
    content = experiment or {}
    models = content.get("models")
    own = _mapping(_mapping(models).get(str(trial.get("model"))))
    candidates = (
        trial.get(f"{PARAMETER_PREFIX}models.{trial.get('model')}.epochs"),
        trial.get(f"{PARAMETER_PREFIX}train.epochs"),
        own.get("epochs"),
        _mapping(content.get("train")).get("epochs"),
    )
    known = next((value for value in candidates if value is not None and not pd.isna(value)), None)
    return None if known is None else int(known)
