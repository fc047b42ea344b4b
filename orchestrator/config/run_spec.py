"""One cell of the grid as a frozen value whose id is its content, and the system that it is a run of."""

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
from trainables.config import DataConfig, Frozen, ModelConfig, RunConfig

IDENTITY_VERSION = 1
TUNING_VERSION = 2  # of runs that tune decisions; until 2, which ids did not say, epochs were chosen by untuned scores
ID_LENGTH = 16
DEFAULT_RECIPE = "default"
Stage = Literal["adapt", "fine-tune", "search"]


class RunSpec(Frozen):
    """One run, resolved. `file_hashes` has the SHA-256 of each file of the user's that the configuration names.

    `experiment`, `system`, `recipe`, `control` and `metric` (the name of what `score` is) say how the run is shown and
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
    keep_epochs: int = Field(default=0, ge=0, description="so many last epochs leave their model beside the record")
    winner_of: str | None = Field(default=None, description="the trial of a search that had the same settings")
    search: str | None = Field(default=None, description="the search that a trial belongs to")
    trial: int | None = Field(default=None, ge=1, description="a trial's number among those of its system")
    tuning: int | None = Field(default=None, description="TUNING_VERSION where the task tunes decisions; else null")

    @property
    def label(self) -> str:
        """What the run is called where people look: `minilm-l6 seed 3`, `minilm-l6 trial 7`."""
        fold = "" if self.config.fold is None else f" fold {self.config.fold}"
        return f"{self.system} " + (f"seed {self.config.seed}{fold}" if self.trial is None else f"trial {self.trial}")

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which scores are better."""
        return self.config.direction

    @cached_property
    def run_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the identity as canonical JSON."""
        return content_id(self.identity())

    @cached_property
    def settings_id(self) -> str:
        """The same without seed, split seed and fold: runs that differ in nothing else share it."""
        identity = self.identity()
        for name in ("seed", "split_seed", "fold"):
            identity.pop(name, None)
        return content_id(identity)

    def identity(self) -> dict[str, Any]:
        """Everything that decides the result. Null means "not used", so that a later setting leaves old ids alone."""
        config = self.config
        found = {
            "version": IDENTITY_VERSION,
            "stage": self.stage,
            "task": self._content(config.task),
            "task_options": config.task_options or None,
            "data": _data_identity(config.data, self._content),
            "model": _model_identity(config.model),
            "variants": {self._content(name): options for name, options in config.variants.items()},
            "train": config.train.model_dump(mode="json"),
            "split": config.split.model_dump(mode="json", exclude={"seed", "ids", "fold"}),
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
        return {name: _without_nulls(value) for name, value in found.items() if value is not None}

    def _content(self, name: str) -> str:
        """A name as it is; a file of the user's by its content, because where it lies decides nothing."""
        return f"sha256:{self.file_hashes[name]}" if name in self.file_hashes else name


def tuning_of(config: RunConfig) -> int | None:
    """TUNING_VERSION where the task tunes decisions with these options, so that what that means can change; or None."""
    options = json.dumps(config.task_options, sort_keys=True)
    return TUNING_VERSION if _tunes(config.task, registry.content_of(config.task), options) else None


@functools.lru_cache(maxsize=32)
def _tunes(task: str, content: str, options: str) -> bool:
    """`content` is what the answer holds for."""
    return bool(registry.load("task", task).configured(json.loads(options)).tunes)


def content_id(value: Mapping[str, Any]) -> str:
    """A short id of a JSON value that does not depend on the order of its keys. NaN and infinity raise ValueError."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def _data_identity(data: DataConfig, content: Any) -> dict[str, Any]:
    """The data set's name or hub id, and its content. A file is its content alone."""
    assert data.fingerprint is not None, "a run is identified by its data's fingerprint; resolve the experiment first"
    name = None if data.name is None else content(data.name)
    return {"id": name or data.hub, "fingerprint": data.fingerprint, "limit": data.limit}


def _model_identity(model: ModelConfig) -> dict[str, Any]:
    """A commit or weight hash where there is one, else the source's name."""
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
    """What is compared: a model trained by a recipe. `config` is that of its runs, with the first seed and fold.

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
    """`model/recipe`, or the model alone for the default recipe; so a recipe that is added later renames nothing."""
    return model if recipe == DEFAULT_RECIPE else f"{model}/{recipe}"
