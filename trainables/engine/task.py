"""The task seam: all that differs between tasks and nothing else; the loop knows a task only through this Protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trainables.engine.corpus import Item
from trainables.engine.features import Features, Ragged
from trainables.engine.splits import Split

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from trainables.engine.models import ModelSource, Pristine


class Task(Protocol):
    """Rows to features, features and model to loss, outputs to predictions, predictions and gold to metrics.

    `fields` are the item fields it needs besides `id`; `metrics` every name `score` may return, `primary_metric` first
    among them: it chooses the best epoch. `piece_outputs` are the outputs with one value a piece, which the loop crops
    to the feature's length; all others have a fixed width. Importing a task's module does not import torch.
    """

    name: str
    description: str
    primary_metric: str
    metrics: tuple[str, ...]
    fields: tuple[str, ...]
    piece_outputs: tuple[str, ...]

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError, with row and reason, for items this task cannot learn from or be scored on."""

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Every label of the items in a fixed order; a class's index is its place here."""

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Raise DataError where a split cannot be used, e.g. an evaluation label that the training part lacks."""

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Features of all items; `max_length` counts pieces, special tokens included."""

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> Pristine:
        """The pretrained model with this task's head, on the CPU in float32, not yet seeded."""

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """SUM of the loss over the terms of the batch, a float32 scalar; the loop divides by the global count."""

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What predictions need of a batch, left on the device: [B, T] for `piece_outputs`, else [B] or [B, C]."""

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """One row per scored unit: item, cluster, position, gold, predicted, correct, and the task's own columns.

        `features` are those of the evaluated part; row f of every output belongs to feature f.
        """

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Every metric of these predictions. A NaN is an AssertionError, never a score."""

    def is_collapsed(self, predictions: pd.DataFrame) -> bool:
        """Whether the model says the majority class and nothing else."""
