"""The settings that decide what a run computes: frozen values, light to import (no torch)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Precision = Literal["fp32", "bf16", "fp16"]
Schedule = Literal["linear", "constant", "cosine", "plateau"]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Column = str | Annotated[int, Field(strict=True)]  # a column by its name, or by its number: 1 is the first, -1 the last
Files = str | Annotated[tuple[str, ...], Field(min_length=1)]  # a path, an address, a pattern such as *.csv, or several

# Larger values are typing errors: nobody trains that long, on so many items at once or on so long ones.
MAXIMUM_EPOCHS = 100_000
MAXIMUM_STEPS = 1_000_000_000
MAXIMUM_BATCH_SIZE = 1_000_000
MAXIMUM_TOKENS = 10_000_000


class Frozen(BaseModel):
    """A frozen value that allows no unknown keys, no NaN or infinity, and no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True, protected_namespaces=())


class EarlyStopping(Frozen):
    """Stop when the primary validation metric has not improved for `patience` epochs."""

    patience: int = Field(ge=1, le=MAXIMUM_EPOCHS)


class TrainConfig(Frozen):
    """How a model is trained. `batch_size` is global: items per optimizer step over all workers."""

    epochs: int = Field(default=3, ge=1, le=MAXIMUM_EPOCHS)
    batch_size: int = Field(default=16, ge=1, le=MAXIMUM_BATCH_SIZE)
    learning_rate: Positive = 5e-5
    weight_decay: float = Field(default=0.01, ge=0)
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    epsilon: Positive = 1e-8
    schedule: Schedule = "linear"
    warmup: float = Field(
        default=0.0, ge=0, le=MAXIMUM_STEPS, description="number of steps if at least 1, share of all steps if below 1"
    )
    plateau_factor: float = Field(
        default=0.1, gt=0, lt=1, description="for schedule plateau: factor that reduces the learning rate"
    )
    plateau_patience: int = Field(
        default=1, ge=0, le=MAXIMUM_EPOCHS, description="for schedule plateau: epochs without improvement before that"
    )
    clip: Positive | None = Field(default=1.0, description="largest global L2 norm of the gradient; null: no clipping")
    max_length: int = Field(
        default=128, ge=4, le=MAXIMUM_TOKENS, description="tokens per item, special tokens included"
    )
    dropout: Fraction | None = Field(default=None, description="null: as in the checkpoint's configuration")
    early_stopping: EarlyStopping | None = None


class SplitConfig(Frozen):
    """Which items train, choose the epoch (validation) and are reported (test).

    `seed: run` draws a new split with each run's seed; that supports a different claim and needs a different test than
    a fixed split. `ids` names a JSON file with lists of item ids per part. A task tunes its thresholds on data that is
    never reported: on validation if there is a test part, else on a share of the training part.
    """

    validation: Fraction | None = Field(
        default=None, description="share of items; null: the data set's own split, else 0.2"
    )
    test: Fraction = 0.0
    seed: int | Literal["run"] = 42
    folds: int | None = Field(default=None, ge=2)
    fold: int | None = Field(default=None, ge=0, description="run only this fold; null: all of them")
    ids: str | None = None
    stratify: bool | None = Field(
        default=None, description="keep labels in proportion in every part; null: the task decides"
    )
    calibration: Fraction | None = Field(
        default=None, description="share of the training part that only tunes thresholds; null: 0.1 if needed"
    )
    clusters: Literal["whole", "divided"] | None = Field(
        default=None,
        description="items that share a cluster stay in one part (whole), or are drawn singly (divided); null: whole",
    )
    train_items: int | None = Field(
        default=None, ge=1, description="train on this many items only, drawn with the split's seed; stamped not real"
    )

    @model_validator(mode="after")
    def _parts_leave_items_to_train_on(self) -> SplitConfig:
        if (self.validation or 0.0) + self.test >= 1:
            raise ValueError("validation and test together leave nothing to train on")
        if self.folds and (self.validation or self.ids):
            raise ValueError("folds already decide the validation part; drop validation and ids")
        if self.fold is not None and self.fold >= (self.folds or 0):
            raise ValueError(f"fold {self.fold} needs folds to be greater than that, got {self.folds}")
        return self


class DataConfig(Frozen):
    """Where the items come from: a data set's `name`, files (`path`, or `train` and more), or a Hub id (`hub`).

    Beside `path`, `train` or `hub`, which exclude each other, `name` says which data set, or whose
    `.py` file, reads what is there; any other name is only a label.

    Files are one pool of items (`path`), which `split` divides or whose column `split_column` names each row's part,
    or they are parts already (`train`, `validation`, `test`). A folder as `path` is a data set that was saved to disk,
    or files whose names say their parts. `fingerprint` is the SHA-256 of the content, filled in when an experiment is
    resolved.
    """

    name: str | None = Field(default=None, description="a registered data set or a .py file; beside files: their label")
    path: Files | None = Field(
        default=None, description="file, folder, address (https://, s3://) or pattern, or a list"
    )
    train: Files | None = Field(default=None, description="the training files, if each part has files of its own")
    validation: Files | None = Field(default=None, description="the files of the part that chooses the epoch")
    hub: str | None = None
    revision: str | None = None
    format: Literal["json", "jsonl", "csv", "tsv", "parquet", "arrow", "conll", "conllu", "text"] | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="null: recognised")
    encoding: str | None = Field(default=None, description="as Python names it, e.g. cp1252; null: UTF-8, or its mark")
    quoting: Literal["csv", "none"] | None = Field(
        default=None, description="csv: quotes enclose cells; none: quotes are text; null: recognised"
    )
    header: bool | None = Field(default=None, description="whether the first row names the columns; null: recognised")
    columns: dict[str, Column | Annotated[tuple[Column, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="field of the task -> column of the file, by name or by number from 1; "
        "labels can have a column of 0 and 1 for each label",
    )
    label_names: Annotated[tuple[str, ...], Field(min_length=2)] | None = Field(
        default=None, description="names of the classes that the data numbers from 0, or gives as a vector of 0 and 1"
    )
    outside: str | None = Field(default=None, description="label of words outside every entity; null: O")
    scheme: Literal["iob1", "io", "ioe1", "ioe2"] | None = Field(
        default=None, description="how entities are tagged, converted to IOB2; null: IOB2 or IOBES, as they are"
    )
    drop_labels: (
        Annotated[
            tuple[Column, ...],
            Field(min_length=1),
            AfterValidator(lambda labels: tuple(str(label) for label in labels)),
        ]
        | None
    ) = Field(default=None, description="items with one of these labels are left out, e.g. ['-'] of SNLI")
    split_column: Column | None = Field(
        default=None, description="the column that says each row's part: train, validation (dev, valid) or test"
    )
    limit: int | None = Field(default=None, ge=1, description="only the first items; results are stamped not real")
    test: bool | Files | None = Field(
        default=None,
        description="the test files; or whether the data set's own test part is read, null: the data set decides",
    )
    fingerprint: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        sources = {"path": self.path, "train": self.train, "hub": self.hub}
        given = [name for name, source in sources.items() if source is not None]
        if not given and self.name is None:
            raise ValueError("one of name, path, train or hub is needed")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other")
        own = [name for name in ("validation", "test") if isinstance(getattr(self, name), str | tuple)]
        if own and self.train is None:
            raise ValueError(f"{own[0]} names files, so the training files must be named, too: train instead of path")
        if self.split_column is not None and self.path is None:
            raise ValueError("split_column needs path: it is a column of the files there")
        return self

    @property
    def label(self) -> str:
        """The short name used in tables; of a file, its name without folders."""
        if self.name is not None:
            return _last(self.name) if self.name.endswith(".py") else self.name
        files = self.path or self.train
        if self.hub is not None or files is None:
            return str(self.hub)
        first, *more = sorted(map(_last, (files,) if isinstance(files, str) else files))
        return f"{first} and {len(more)} more" if more else first


def _last(path: str) -> str:
    """Return the last part of a path or address, with the folder of a pattern.

    Without the query of an address, which may hold a password.
    """
    path = path.partition("?")[0].partition("#")[0] if "://" in path else path
    parts = path.replace("\\", "/").rstrip("/").split("/")
    return "/".join(parts[-2:]) if "*" in parts[-1] else parts[-1]


class ModelConfig(Frozen):
    """One model, fully resolved: which weights are loaded, in which precision, with which tokenizer quirks.

    `revision` is the hub commit or, for local weights, the SHA-256 of configuration, tokenizer and weights.
    """

    name: str
    source: str = Field(description="hub id or absolute path of a folder in Hugging Face format")
    revision: str | None = None
    precision: Precision = "fp32"
    random_init: bool = Field(default=False, description="architecture of `source`, weights drawn from the run's seed")
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="model configuration, e.g. num_hidden_layers: 3"
    )
    tokenizer: dict[str, Any] = Field(default_factory=dict, description="tokenizer arguments, e.g. add_prefix_space")
    pooling: Literal["mean"] | None = Field(
        default=None, description="mean: classify texts by the mean of their tokens; null: the model's own head"
    )
    trust_remote_code: bool = False


class RunConfig(Frozen):
    """Everything that decides the result of one run, and nothing else."""

    task: str
    task_options: dict[str, Any] = Field(default_factory=dict)
    data: DataConfig
    model: ModelConfig
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    train: TrainConfig = TrainConfig()
    split: SplitConfig = SplitConfig()
    seed: int = Field(ge=0, lt=2**32)
    fold: int | None = None
    init_from: str | None = None
    metric: str | None = Field(default=None, description="chooses the best epoch; null: the task's primary metric")
    direction: Literal["maximize", "minimize"] = "maximize"

    @property
    def split_seed(self) -> int:
        """The seed that draws the split of this run."""
        return self.seed if self.split.seed == "run" else self.split.seed
