"""The experiment file as a frozen value, composed of the configs that the other packages own.

Its names become folders and cells, so they are checked; seeds may be written `7`, `[1, 2]`, `42-51` or `1,2,5-7`;
the JSON Schema for editors is derived from the same models, plus the short forms that a file may use.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from analysis.config import CompareConfig
from orchestrator.config.run_spec import RunSpec
from orchestrator.config.search import Search
from trainables import registry
from trainables.config import (
    MAXIMUM_BATCH_SIZE,
    MAXIMUM_EPOCHS,
    MAXIMUM_TOKENS,
    DataConfig,
    Frozen,
    Positive,
    SplitConfig,
    TrainConfig,
)
from trainables.protocols.model_preset import PrecisionChoice

TASK = "masked_lm"


class AdaptSettings(TrainConfig):
    """How a model is adapted; `train` plays no role. One run, with one seed, serves all seeds."""

    epochs: int = Field(default=5, ge=1, le=MAXIMUM_EPOCHS)
    batch_size: int = Field(default=64, ge=1, le=MAXIMUM_BATCH_SIZE)
    learning_rate: Positive = 5e-5
    weight_decay: float = Field(default=0.0, ge=0)
    max_length: int = Field(
        default=512, ge=4, le=MAXIMUM_TOKENS, description="tokens per chunk, special tokens included"
    )
    mask: float = Field(default=0.15, gt=0, lt=1, description="share of the tokens to predict")
    chunking: Literal["concatenate", "line"] = Field(
        default="concatenate", description="concatenate: full chunks across texts; line: one chunk per text"
    )
    split: SplitConfig = SplitConfig(validation=0.1, seed=42)
    seed: int = Field(default=42, ge=0, lt=2**32)
    keep_epochs: int = Field(
        default=0,
        ge=0,
        le=MAXIMUM_EPOCHS,
        description="number of last epochs whose models are kept, too; changes no result",
    )

    def train(self) -> TrainConfig:
        """Return the settings that every run has."""
        return TrainConfig.model_validate({name: getattr(self, name) for name in TrainConfig.model_fields})

    def task_options(self) -> dict[str, Any]:
        """Return the settings of the masked language modelling task."""
        return {"mask": self.mask, "chunking": self.chunking}


class Adapt(AdaptSettings):
    """The text that the models are adapted to, and how."""

    data: DataConfig


class AdaptOverride(AdaptSettings):
    """What differs for one model. Only written keys count."""

    @model_serializer(mode="wrap")
    def _only_what_is_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}

    def over(self, adapt: Adapt) -> Adapt:
        """Return the experiment's settings, overridden by these. Raises ValidationError if they do not fit together."""
        changed = {name: getattr(self, name) for name in self.model_fields_set}
        return Adapt.model_validate({name: getattr(adapt, name) for name in Adapt.model_fields} | changed)


MAXIMUM_LENGTH = 100
MAXIMUM_ENTRIES = 1_000  # of models, recipes and the variants of one
MAXIMUM_PROCESSES = 100_000
_RUN_ID = re.compile(r"[0-9a-f]{16}")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_WITH_FOLDERS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")


def check_name(name: str) -> str:
    """Return the name. Raises ValueError unless it is letters, digits and `_ . + -`, beginning with none of `. + -`."""
    _check_length(name)
    if not _PLAIN.fullmatch(name):
        raise ValueError(
            "may contain letters, digits, '_', '.', '+' and '-' and must begin with a letter, digit or '_', "
            f"got {name!r}"
        )
    return name


def check_model_name(name: str) -> str:
    """Return the name: a plain name, or a hub id such as `owner/name`. Raises ValueError for anything else."""
    _check_length(name)
    if not _WITH_FOLDERS.fullmatch(name):
        raise ValueError(
            f"must be a preset's name or a hub id such as owner/name, got {name!r}; "
            "for a folder write `my-model: {path: the/folder}`"
        )
    return name


def _check_length(name: str) -> None:
    if not 1 <= len(name) <= MAXIMUM_LENGTH:
        raise ValueError(f"must have 1 to {MAXIMUM_LENGTH} characters, got {len(name)}")


Name = Annotated[str, AfterValidator(check_name)]
ModelName = Annotated[str, AfterValidator(check_model_name)]


def init_from_parts(written: str) -> tuple[str | None, str]:
    """Split an `init_from` into results directory (None: the sweep's own) and run id. Raises ValueError."""
    results, _, run_id = written.rpartition("/")
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(
            f"must be a run id (16 hexadecimal digits, see `orchestrate results`) or DIRECTORY/RUN_ID, got {written!r}"
        )
    return results or None, run_id


def check_init_from(written: str) -> str:
    """Return the text. Raises ValueError as `init_from_parts` does."""
    init_from_parts(written)
    return written


InitFrom = Annotated[str, AfterValidator(check_init_from)]


MAXIMUM_SEED = 2**32 - 1
MAXIMUM_SEEDS = 100_000
_RANGE = re.compile(r"([0-9]+)\s*-\s*([0-9]+)")
_OTHER_RANGE = re.compile(r"([0-9]+)\s*(?:\.\.+|:|to|\u2013|\u2014)\s*([0-9]+)")


def parse_seeds(written: object) -> tuple[int, ...]:
    """Return the seeds in the order they were written. Raises ValueError unless they are distinct integers >= 0."""
    if isinstance(written, str):
        seeds = _from_text(written)
    elif isinstance(written, Sequence):
        seeds = [_whole(value) for value in written]
    else:
        seeds = [_whole(written)]
    if not seeds:
        raise ValueError("is empty; write at least one seed, e.g. 42-51")
    if len(seeds) > MAXIMUM_SEEDS:
        raise ValueError(f"has more than {MAXIMUM_SEEDS} seeds")
    twice = [seed for seed, count in Counter(seeds).items() if count > 1]
    if twice:
        raise ValueError(f"names {min(twice)} more than once; every seed is one run")
    if max(seeds) > MAXIMUM_SEED:
        raise ValueError(f"must be at most {MAXIMUM_SEED}, got {max(seeds)}")
    return tuple(seeds)


def render_seeds(seeds: Iterable[int]) -> str:
    """Return the short form: `42-51`, `1-2,7`; an unordered list keeps its order."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _from_text(text: str) -> list[int]:
    seeds: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        seeds += _part(part)
        if len(seeds) > MAXIMUM_SEEDS:
            raise ValueError(f"has more than {MAXIMUM_SEEDS} seeds")
    return seeds


def _part(part: str) -> Iterable[int]:
    if re.fullmatch(r"[0-9]{1,10}", part):
        return [int(part)]
    match = _RANGE.fullmatch(part)
    if match is None:
        other = _OTHER_RANGE.fullmatch(part[:40])
        hint = f"; write {other[1]}-{other[2]}" if other else ""
        raise ValueError(f"must be whole numbers >= 0 and ranges such as 42-51, got {part[:40]!r}{hint}")
    first, last = int(match[1][:20]), int(match[2][:20])
    if last < first:
        raise ValueError(f"has a range that runs backwards: {part[:40]}")
    if last - first >= MAXIMUM_SEEDS:
        raise ValueError(f"has more than {MAXIMUM_SEEDS} seeds in one range: {part[:40]}")
    return range(first, last + 1)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        shown = str(value).lower() if isinstance(value, bool) else f"{value!r:.40}"
        raise ValueError(f"must be whole numbers, got {shown}")
    if value < 0:
        raise ValueError(f"must be at least 0, got {value}")
    return value


__all__ = ["Experiment", "ModelEntry", "Resources", "RunSpec"]

Save = Literal["none", "best", "best-per-system"]
DEFAULT_SEEDS = tuple(range(42, 52))


class ModelEntry(TrainConfig):
    """One model of an experiment: where it comes from, and which keys of `train` differ for it.

    Only written keys count: a key of `train` that is left out has the value of the experiment's `train`.
    """

    path: str | None = Field(default=None, description="folder in Hugging Face format, or a .py preset")
    hub: str | None = Field(default=None, description="Hugging Face Hub id, owner/name")
    revision: str | None = Field(default=None, description="commit, tag or branch on the hub")
    precision: PrecisionChoice | None = Field(default=None, description="null: the preset's, if the device has it")
    random_init: bool = Field(default=False, description="random weights, drawn from the run's seed")
    overrides: dict[str, Any] = Field(default_factory=dict, description="model configuration, e.g. num_hidden_layers")
    tokenizer: dict[str, Any] = Field(default_factory=dict, description="tokenizer arguments, e.g. add_prefix_space")
    pooling: Literal["mean"] | None = Field(default=None, description="mean: classify texts by their mean vector")
    trust_remote_code: bool = Field(default=False, description="run the repository's own code; needs a pinned commit")
    adapt: AdaptOverride | Literal[False] | None = Field(
        default=None, description="what differs from the experiment's `adapt` for this model; false: do not adapt it"
    )
    init_from: InitFrom | None = Field(default=None, description="like the experiment's, for this model only")

    @model_validator(mode="after")
    def _one_source(self) -> ModelEntry:
        if self.path is not None and self.hub is not None:
            raise ValueError("path and hub exclude each other")
        return self

    @model_serializer(mode="wrap")
    def _only_what_is_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}

    def train_overrides(self) -> dict[str, Any]:
        """Return the keys of `train` that differ for this model."""
        return {key: getattr(self, key) for key in self.model_fields_set if key in TrainConfig.model_fields}

    def model_overrides(self) -> dict[str, Any]:
        """Return the keys that decide which model is loaded, and how."""
        others = {*TrainConfig.model_fields, "adapt", "init_from"}
        keys = (key for key in ModelEntry.model_fields if key in self.model_fields_set - others)
        return {key: value for key in keys if (value := getattr(self, key)) is not None}


class Resources(Frozen):
    """How runs are computed. None of it changes a result or a run's identity."""

    workers_per_run: Annotated[int, Field(ge=1, le=MAXIMUM_PROCESSES)] | Literal["auto"] = Field(
        default="auto", description="processes that train one run together"
    )
    lanes: Annotated[int, Field(ge=1, le=MAXIMUM_PROCESSES)] | Literal["auto"] = Field(
        default="auto", description="runs at the same time"
    )
    gpus_per_worker: Annotated[float, Field(ge=0, le=MAXIMUM_PROCESSES)] | Literal["auto"] = Field(
        default="auto", description="auto: one if the cluster has GPUs, else none; below one: shared"
    )
    accumulation: int = Field(
        default=1, ge=1, le=MAXIMUM_BATCH_SIZE, description="parts that each step's global batch is split into"
    )
    checkpoint_minutes: float = Field(
        default=10.0, gt=0, le=1_000_000, description="training time between two checkpoints"
    )


def _mapping_of_models(written: Any) -> Any:
    """Turn one name, or a list of names, into a mapping without overrides. Raises ValueError for what is no name."""
    if isinstance(written, str) and "," in written:
        raise ValueError(
            f"must be a list of names; write [{', '.join(filter(None, map(str.strip, written.split(','))))}]"
        )
    names = [written] if isinstance(written, str) else written
    if not isinstance(names, list):
        return written
    other = next((name for name in names if not isinstance(name, str)), None)
    if other is not None:
        remedy = "; to give a model settings of its own, write a mapping: {minilm-l6: {epochs: 2}}"
        raise ValueError(f"must be a list of names, got {other!r:.40}{remedy if isinstance(other, dict) else ''}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"names {twice[0]!r} more than once")
    return {name: {} for name in names}


class Experiment(Frozen):
    """One experiment file. Everything has a default except `experiment`, `task`, `data` and `models`."""

    experiment: Name = Field(description="its name, also the name of its results folder")
    question: str | None = Field(default=None, max_length=2000, description="what it should answer; the report's title")
    task: str = Field(min_length=1, description="a task's name (orchestrate list tasks), or a Python file")
    task_options: dict[str, Any] = Field(default_factory=dict, description="settings of the task; see its file")
    data: DataConfig
    split: SplitConfig = SplitConfig()
    models: Annotated[dict[ModelName, ModelEntry], BeforeValidator(_mapping_of_models)] = Field(
        min_length=1, max_length=MAXIMUM_ENTRIES
    )
    recipes: dict[Name, Annotated[dict[str, dict[str, Any]], Field(max_length=MAXIMUM_ENTRIES)]] = Field(
        default={"default": {}}, min_length=1, max_length=MAXIMUM_ENTRIES, description="name -> variant -> its options"
    )
    seeds: Annotated[tuple[int, ...], BeforeValidator(parse_seeds)] = Field(
        default=DEFAULT_SEEDS, description="42-51, or 1,2,5-7, or a list"
    )
    train: TrainConfig = TrainConfig()
    adapt: Adapt | None = Field(default=None, description="masked language modelling first, one run per model")
    init_from: InitFrom | None = Field(
        default=None, description="start from the saved best weights of this run: its id, or DIRECTORY/RUN_ID"
    )
    compare: CompareConfig = CompareConfig()
    search: Search | None = Field(default=None, description="what `orchestrate search` varies; a sweep ignores it")
    resources: Resources = Resources()
    keep_epochs: int = Field(
        default=0,
        ge=0,
        le=MAXIMUM_EPOCHS,
        description="number of last epochs whose models every run keeps; changes no result",
    )
    save: Save = Field(default="none", description="which runs keep their best weights; changes no result")


SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) that every accepted experiment file satisfies."""
    schema = Experiment.model_json_schema(mode="validation")
    entry = schema["$defs"][ModelEntry.__name__]
    for key in TrainConfig.model_fields:
        entry["properties"][key].pop("default", None)
    properties = schema["properties"]
    properties["models"] = {
        "description": "a name, a list of names, or a mapping from each name to what differs for this model",
        "anyOf": [
            {"type": "string", "pattern": "^[^,]+$"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            properties["models"],
        ],
        "examples": [registry.names("model")],
    }
    properties["seeds"] = {
        "description": properties["seeds"].get("description"),
        "anyOf": [
            {"type": "string", "pattern": r"^\s*\d+(\s*-\s*\d+)?(\s*,\s*\d+(\s*-\s*\d+)?)*\s*,?\s*$"},
            {"type": "integer", "minimum": 0},
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
        ],
        "default": "42-51",
    }
    properties["task"]["examples"] = registry.names("task")
    return {"$schema": SCHEMA_DIALECT, **schema, "title": "orchestrate experiment"}
