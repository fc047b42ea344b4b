"""The task seam: all that differs between tasks and nothing else; the loop knows a task only through this Protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from trainables.config import Frozen
from trainables.data.batching import Indices
from trainables.data.dataset import Item
from trainables.data.features import Features, Ragged
from trainables.data.splits import Split

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from trainables.modeling.pretrained import ModelSource, PretrainedModel


class Task(Protocol):
    """Rows to features, features and model to loss, outputs to predictions, predictions and gold to metrics.

    `fields` are the item fields it needs besides `id`; `metrics` every name `score` may return, `primary_metric` first
    among them: it chooses the best epoch. `targets` are the columns that only the loss reads, all others go to the
    model's forward. `token_outputs` are the outputs with one value a piece, which the loop crops to the feature's
    length; all others have a fixed width. `tunes` says that decisions (thresholds) are tuned on data of their own.
    `minimized` are the metrics of which less is better.
    `whole_vocabulary` keeps embedding rows that no item uses, for tasks whose model writes or predicts pieces.
    A task is a frozen value: `options` are its settings. Importing its module does not import torch.
    """

    name: str
    description: str
    primary_metric: str
    metrics: tuple[str, ...]
    fields: tuple[str, ...]
    targets: tuple[str, ...]
    token_outputs: tuple[str, ...]
    minimized: tuple[str, ...]
    whole_vocabulary: bool

    @property
    def options(self) -> Frozen:
        """What a user can set under `task_options`; its class states names, ranges and defaults."""

    @property
    def tunes(self) -> bool:
        """Whether `tune` has something to tune with these options."""

    def configured(self, options: Mapping[str, Any]) -> Self:
        """This task with other options. Raises pydantic's ValidationError (a ValueError) for what is not allowed."""

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> Self:
        """This task knowing the training part, e.g. class weights; itself where nothing is learned from it."""

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError, with row and reason, for items this task cannot learn from or be scored on."""

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Every label of the items in a fixed order; a class's index is its place here."""

    def strata(self, items: Sequence[Item]) -> Sequence[frozenset[str]] | None:
        """The labels of each item that every part should hold in proportion; None where a split is not stratified."""

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Raise DataError where a split cannot be used, e.g. an evaluation label that the training part lacks."""

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """Items of which only the input is known, as `encode` takes them: any label stands where one has to.

        Plain text is the field `text`. Labels that items have are not looked at. Raises DataError, with the item and
        the reason, for input that cannot be read.
        """

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Features of all items; `max_length` counts pieces, special tokens included."""

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """The pretrained model with this task's head, on the CPU in float32, not yet seeded."""

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """The batch as one pass over the data sees it (masked, say); most tasks return it as it is.

        Row i may depend on `seed` (another one each epoch, a fixed one in evaluation) and on rows[i] alone, and its
        number of loss terms stays that of its feature: so neither batches nor ranks change what is computed.
        """

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """SUM of the loss over the terms of the batch, a float32 scalar; the loop divides by the global count."""

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """What predictions need of a batch, left on the device: [B, T] for `token_outputs`, else [B] or [B, C].

        `model` is there for tasks whose predictions are generated; the others read the outputs of its forward.
        """

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """One row per scored unit: item, cluster, position, gold, predicted, correct, and the task's own columns.

        `features` are those of the evaluated part; row f of every output belongs to feature f.
        """

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Decisions (name -> threshold) that suit these predictions best; {} where `tunes` is false."""

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """The predictions with `predicted` and `correct` as these decisions make them; unchanged for {}."""

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame | dict[str, str]:
        """Predictions as competitions take them: a table that becomes a CSV file, or a mapping that becomes JSON.

        The predictions may lack what rests on gold labels.
        """

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Every metric of these predictions. A NaN is an AssertionError, never a score."""

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """Why the answers say nothing of the items, in words that a reader of the results is told; None where they do.

        Such a run has a score, which a constant would reach. The definitions are conservative: a weak model is none of
        them. One answer for at least 99 of 100 items (in tagging: the majority class), though no right answer is that
        of more than nine in ten, or though right answers differ where it is all items. With several labels a text also:
        labels that nearly every text gets, though fewer than half have them, are nine in ten of all labels given.
        """
