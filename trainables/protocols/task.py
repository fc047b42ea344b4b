"""Defines the task protocol: everything that differs between tasks; the loop knows a task only through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

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
    """Turns items into features, a model's outputs into a loss and into predictions, and predictions into metrics.

    `fields` are the item fields that it needs besides `id`. If right answers are in other fields than `label`, `labels`
    and `answers`, an attribute `gold` names them, so that items are compared by their input alone. `metrics` are all
    names that `score` may return, with `primary_metric` first, which chooses the best epoch; `minimized` are the
    metrics for which less is better.
    `targets` are the columns that only the loss reads; all others go to the model's forward. `token_outputs` are the
    outputs with one value per token, which the loop crops to the feature's length; all others have a fixed width.
    `tunes` says whether thresholds are tuned, on data set aside for that. `whole_vocabulary` keeps embedding rows that
    no item uses, for tasks whose model writes or predicts tokens.
    A task is a frozen value, and `options` are its settings. Importing its module does not import torch.
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
        """What a user can set under `task_options`; its class defines names, ranges and defaults."""

    @property
    def tunes(self) -> bool:
        """Whether `tune` has anything to tune with these options."""

    def configured(self, options: Mapping[str, Any]) -> Self:
        """Return this task with other options. Raises pydantic's ValidationError (a ValueError) for invalid ones."""

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> Self:
        """Return this task fitted to the training part, e.g. with class weights; itself if it learns nothing."""

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError, with row and reason, for items that this task cannot learn from or be scored on."""

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Return every label of the items in a fixed order; the position of a label is its class index."""

    def strata(self, items: Sequence[Item]) -> Sequence[frozenset[str]] | None:
        """Return each item's labels that every part should hold in proportion; None if splits are not stratified."""

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Raise DataError for a split that cannot be used, e.g. if nothing can be learned from the training part."""

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """Return items for `encode` of which only the input is known; an arbitrary label stands where one is required.

        Plain text is in the field `text`. Labels of the given items are ignored. Raises DataError, with the item and
        the reason, for invalid input.
        """

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Return the features of all items; `max_length` counts tokens, special ones included."""

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """Return the pretrained model with this task's head, on the CPU in float32, before any seed is applied."""

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """Return the batch as one pass over the data sees it, e.g. masked; most tasks return it unchanged.

        Row i may depend only on rows[i] and on `seed`, which differs in each epoch and is fixed in evaluation, and it
        keeps its feature's number of loss terms. So neither batches nor ranks change the result.
        """

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the SUM of the loss over the batch's terms, a float32 scalar; the loop divides by the global count."""

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """Return what predictions need from a batch, on the device: [B, T] for `token_outputs`, else [B] or [B, C].

        `model` is for tasks that generate their predictions; the others read the outputs of its forward.
        """

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return a row per scored unit: item, cluster, position, gold, predicted, correct, and the task's own columns.

        `features` belong to the evaluated part; row f of every output belongs to feature f.
        """

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return the thresholds, by name, that suit these predictions best; {} if `tunes` is false."""

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """Return the predictions with `predicted` and `correct` by these thresholds; unchanged for {}."""

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame | dict[str, str]:
        """Return predictions as competitions take them: a table for a CSV file, or a mapping for a JSON file.

        The predictions may lack the columns that need gold labels.
        """

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return every metric of these predictions. A NaN is an AssertionError, never a score."""

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """Return why the predictions do not depend on the items, in words for a reader of the results; None if they do.

        A constant would reach the score of such a run. The definition is conservative, so that a merely weak model does
        not meet it. A run collapsed if it predicts the same for at least 99 of 100 items (in tagging: the majority
        class), although no gold value is that of more than nine in ten items; if it predicts the same for all items,
        any difference between gold values is enough. With several labels per text, a run also collapsed if nine in ten
        of its predicted labels are ones that nearly every text gets, although fewer than half of the texts have them.
        """


@runtime_checkable
class DecidedByData(Protocol):
    """A task with options of which null means that the data decide. They are filled in before runs get their ids."""

    def decided(self, items: Sequence[Item]) -> tuple[Task, tuple[str, ...]]:
        """Return the task with these options filled in from all items, and notes that say what was decided.

        Items are not checked yet. Null must stay where an older version did what the data decide now, so that the ids
        of such runs do not change.
        """
