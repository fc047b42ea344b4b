"""One cell of the grid as a frozen value whose id follows from its content, and the system that it belongs to."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from trainables import registry
from trainables.config import DataConfig, Frozen, ModelConfig, RunConfig, SplitConfig

IDENTITY_VERSION = 1
TUNING_VERSION = 2  # of runs that tune thresholds; before 2 (not part of ids), untuned scores chose the epoch
ID_LENGTH = 16
DEFAULT_RECIPE = "default"
Stage = Literal["adapt", "fine-tune", "search"]


class RunSpec(Frozen):
    """One run, resolved. `file_hashes` has the SHA-256 of each user file that the configuration names.

    `experiment`, `system`, `recipe`, `control` and `metric` (the name of `score`) say how the run is shown and
    compared; the configuration decides what it computes. `start` and `keep*` say where weights come from and go to.
    """

    experiment: str
    stage: Stage = "fine-tune"
    system: str
    recipe: str
    control: str | None = None
    config: RunConfig
    metric: str
    file_hashes: dict[str, str] = Field(default_factory=dict)
    start: str | None = Field(default=None, description="results directory of `init_from`; null: the run's own")
    unsupported: str | None = Field(default=None, description="why the machine that planned it cannot run it")
    keep: bool = Field(default=False, description="whether the best weights are saved beside the record")
    keep_epochs: int = Field(
        default=0, ge=0, description="number of last epochs whose models are kept beside the record"
    )
    winner_of: str | None = Field(default=None, description="the trial of a search that had the same settings")
    search: str | None = Field(default=None, description="the search that a trial belongs to")
    trial: int | None = Field(default=None, ge=1, description="a trial's number among those of its system")
    tuning: int | None = Field(default=None, description="TUNING_VERSION if the task tunes thresholds; else null")

    @property
    def label(self) -> str:
        """The run's name for people: `minilm-l6 seed 3`, `minilm-l6 trial 7`."""
        fold = "" if self.config.fold is None else f" fold {self.config.fold}"
        return f"{self.system} " + (f"seed {self.config.seed}{fold}" if self.trial is None else f"trial {self.trial}")

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which scores are better."""
        return self.config.direction

    @cached_property
    def run_id(self) -> str:
        """The first 16 hex digits of the SHA-256 of the identity as canonical JSON."""
        return content_id(self.identity())

    @cached_property
    def settings_id(self) -> str:
        """The same hash without seed, split seed and fold: runs that differ in nothing else share it."""
        identity = self.identity()
        for name in ("seed", "split_seed", "fold"):
            identity.pop(name, None)
        return content_id(identity)

    def identity(self) -> dict[str, Any]:
        """Return everything that affects the result. Unused settings are left out, so that new ones keep old ids."""
        config = self.config
        identity = {
            "version": IDENTITY_VERSION,
            "stage": self.stage,
            "task": self._content(config.task),
            "task_options": config.task_options or None,
            "data": _data_identity(config.data, self._content),
            "model": _model_identity(config.model),
            "variants": {self._content(name): options for name, options in config.variants.items()},
            "train": config.train.model_dump(mode="json"),
            "split": _split_identity(config.split),
            "split_ids": None if config.split.ids is None else self._content(config.split.ids),
            "metric": None if config.metric is None else self._content(config.metric),
            "direction": None if config.direction == "maximize" else config.direction,
            "seed": config.seed,
            "split_seed": config.split_seed,
            "fold": config.fold,
            "init_from": config.init_from,
            "search": self.search,
            "tuning": self.tuning,
        }
        return {name: _without_nulls(value) for name, value in identity.items() if value is not None}

    def _content(self, name: str) -> str:
        """Return a name as it is, and a user's file by its content, because its location affects nothing."""
        return f"sha256:{self.file_hashes[name]}" if name in self.file_hashes else name


def tuning_of(config: RunConfig) -> int | None:
    """Return TUNING_VERSION if the task tunes thresholds with these options, so that tuning can change; else None."""
    options = json.dumps(config.task_options, sort_keys=True)
    return TUNING_VERSION if _tunes(config.task, registry.content_of(config.task), options) else None


@functools.lru_cache(maxsize=32)
def _tunes(task: str, content: str, options: str) -> bool:
    """Return whether the task tunes thresholds; the cache holds for its `content`."""
    return bool(registry.load("task", task).configured(json.loads(options)).tunes)


def content_id(value: Mapping[str, Any]) -> str:
    """Return a short id of a JSON value, independent of the order of keys. Raises ValueError for NaN and infinity."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def _data_identity(data: DataConfig, content: Any) -> dict[str, Any]:
    """Identify a data set by its name or hub id and its content; a file by its content alone."""
    assert data.fingerprint is not None, "a run is identified by its data's fingerprint; resolve the experiment first"
    name = None if data.name is None else content(data.name)
    return {"id": name or data.hub, "fingerprint": data.fingerprint, "limit": data.limit}


def _split_identity(split: SplitConfig) -> dict[str, Any]:
    """Identify how a split is drawn; clusters were divided before there was a choice, so that this is left out."""
    unused = {"seed", "ids", "fold", *(() if split.clusters == "whole" else ("clusters",))}
    return split.model_dump(mode="json", exclude=unused)


def _model_identity(model: ModelConfig) -> dict[str, Any]:
    """Identify a model by its commit or the hash of its weights, else by the name of its source."""
    return {
        "weights": model.revision or model.source,
        "precision": model.precision,
        "random_init": model.random_init,
        "overrides": model.overrides,
        "tokenizer": model.tokenizer,
        "pooling": model.pooling,
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


@dataclass(frozen=True)
class System:
    """What is compared: a model trained by a recipe. `config` is the configuration of its runs, with the first seed.

    `start` is the results directory of the run that `config.init_from` names; None: the sweep's own. `unsupported`
    says why this machine cannot run it; `winner_of` names the trial of a search that its settings come from.
    """

    name: str
    model: str
    recipe: str
    control: str | None
    config: RunConfig
    start: str | None = None
    unsupported: str | None = None
    winner_of: str | None = None


def system_name(model: str, recipe: str) -> str:
    """Return `model/recipe`, or the model alone for the default recipe, so that adding a recipe renames nothing."""
    return model if recipe == DEFAULT_RECIPE else f"{model}/{recipe}"
