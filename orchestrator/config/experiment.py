"""What a user asks for: the experiment file as a frozen value, composed of the configs that the other packages own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from analysis.config import CompareConfig
from orchestrator.config.adapt import Adapt, AdaptOverride
from orchestrator.config.names import InitFrom, ModelName, Name
from orchestrator.config.run_spec import RunSpec
from orchestrator.config.search import Search
from orchestrator.config.seeds import parse_seeds
from trainables.config import DataConfig, Frozen, SplitConfig, TrainConfig
from trainables.protocols.model_preset import PrecisionChoice

__all__ = ["Experiment", "ModelEntry", "Resources", "RunSpec"]

Save = Literal["none", "best", "best-per-system"]
DEFAULT_SEEDS = tuple(range(42, 52))


class ModelEntry(TrainConfig):
    """One model of an experiment: where it comes from, and which keys of `train` differ for it.

    Only keys that are written count: a key of `train` that is left out has the value of the experiment's `train`.
    """

    path: str | None = Field(default=None, description="folder in Hugging Face format, or a .py preset")
    hub: str | None = Field(default=None, description="Hugging Face Hub id, owner/name")
    revision: str | None = Field(default=None, description="commit, tag or branch on the hub")
    precision: PrecisionChoice | None = Field(default=None, description="null: the preset's, where the device has it")
    random_init: bool = Field(default=False, description="this architecture, weights drawn from the run's seed")
    overrides: dict[str, Any] = Field(default_factory=dict, description="model configuration, e.g. num_hidden_layers")
    tokenizer: dict[str, Any] = Field(default_factory=dict, description="tokenizer arguments, e.g. add_prefix_space")
    pooling: Literal["mean"] | None = Field(default=None, description="mean: texts are classified by their mean")
    trust_remote_code: bool = Field(default=False, description="run the repository's own code; needs a pinned commit")
    adapt: AdaptOverride | Literal[False] | None = Field(
        default=None, description="what differs from the experiment's `adapt` for this model; false: it is not adapted"
    )
    init_from: InitFrom | None = Field(default=None, description="as the experiment's, for this model only")

    @model_validator(mode="after")
    def _one_source(self) -> ModelEntry:
        if self.path is not None and self.hub is not None:
            raise ValueError("path and hub exclude each other")
        return self

    @model_serializer(mode="wrap")
    def _only_what_is_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}

    def train_overrides(self) -> dict[str, Any]:
        """The keys of `train` that differ for this model."""
        return {key: getattr(self, key) for key in self.model_fields_set if key in TrainConfig.model_fields}

    def model_overrides(self) -> dict[str, Any]:
        """The keys that say what is loaded, and how."""
        others = {*TrainConfig.model_fields, "adapt", "init_from"}
        keys = (key for key in ModelEntry.model_fields if key in self.model_fields_set - others)
        return {key: value for key in keys if (value := getattr(self, key)) is not None}


class Resources(Frozen):
    """How runs are computed. None of it changes a result or a run's identity."""

    workers_per_run: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto", description="processes that train one run together"
    )
    lanes: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(default="auto", description="runs at the same time")
    gpus_per_worker: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        default="auto", description="auto: one where the cluster has GPUs, else none; below one: shared"
    )
    accumulation: int = Field(default=1, ge=1, description="parts in which each step's global batch is computed")
    checkpoint_minutes: float = Field(default=10.0, gt=0, description="training time between two checkpoints")


def _mapping_of_models(written: Any) -> Any:
    """A list of names becomes a mapping of names without overrides; a name that is there twice is refused."""
    if not isinstance(written, list) or not all(isinstance(name, str) for name in written):
        return written
    twice = next((name for name in written if written.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"names {twice!r} more than once")
    return {name: {} for name in written}


class Experiment(Frozen):
    """One experiment file. Everything has a default except `experiment`, `task`, `data` and `models`."""

    experiment: Name = Field(description="its name, also the folder of its results")
    question: str | None = Field(default=None, max_length=2000, description="what it is to answer; the report's title")
    task: str = Field(min_length=1, description="a task's name (orchestrate list tasks), or a Python file")
    task_options: dict[str, Any] = Field(default_factory=dict, description="settings of the task; see its file")
    data: DataConfig
    split: SplitConfig = SplitConfig()
    models: Annotated[dict[ModelName, ModelEntry], BeforeValidator(_mapping_of_models)] = Field(min_length=1)
    recipes: dict[Name, dict[str, dict[str, Any]]] = Field(
        default={"default": {}}, min_length=1, description="name -> variant -> its options"
    )
    seeds: Annotated[tuple[int, ...], BeforeValidator(parse_seeds)] = Field(
        default=DEFAULT_SEEDS, description="42-51, or 1,2,5-7, or a list"
    )
    train: TrainConfig = TrainConfig()
    adapt: Adapt | None = Field(default=None, description="masked language modelling first, one run a model")
    init_from: InitFrom | None = Field(
        default=None, description="start from the saved best weights of this run: its id, or DIRECTORY/RUN_ID"
    )
    compare: CompareConfig = CompareConfig()
    search: Search | None = Field(default=None, description="what `orchestrate search` varies; a sweep leaves it alone")
    resources: Resources = Resources()
    keep_epochs: int = Field(
        default=0, ge=0, description="every run leaves the models of so many last epochs; none of it changes a result"
    )
    save: Save = Field(default="none", description="which runs leave their best weights; none of it changes a result")
