"""Sequence classification: one class per text or pair of texts (sentiment, paraphrase, entailment, topic).

Items have `text`, for pairs also `text_pair`, and `label`. Empty texts and hidden labels (-1 and -) are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from analysis.metrics import labels_of, ordered
from trainables import registry
from trainables.config import Frozen
from trainables.data.batching import Indices
from trainables.data.dataset import DataError, Item
from trainables.data.features import Features, Ragged
from trainables.data.splits import Split
from trainables.tasks._labels import (
    HiddenLabels,
    balanced,
    label_fault,
    on_device,
    one_answer,
    require_learnable,
    require_visible,
)
from trainables.tasks._texts import column, encode_texts, have_pairs, missing, require_texts, text_fault

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from trainables.modeling.pretrained import ModelSource, PretrainedModel

_OF_TWO_CLASSES = ("f1",)


class Options(Frozen):
    """Options of sequence classification."""

    positive: str | None = Field(default=None, description="the class whose F1 is `f1`; null: the last by name")
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: items / (classes x items of the class), from the training part"
    )
    hidden: HiddenLabels = None


@dataclass(frozen=True)
class SequenceClassification:
    """`weights` weigh the classes in the loss, from the training part; () if all count alike."""

    options: Options = field(default_factory=Options)
    weights: tuple[float, ...] = ()

    name = "sequence_classification"
    description = "one class per text or pair of texts (sentiment, paraphrase, topic)"
    primary_metric = "accuracy"
    metrics = ("accuracy", "f1", "macro_f1", "weighted_f1", "matthews_correlation")
    fields = ("text", "label")
    targets = ("labels",)
    token_outputs = ()
    minimized = ()
    whole_vocabulary = False
    tunes = False

    def configured(self, options: Mapping[str, Any]) -> SequenceClassification:
        """Return this task with these options. Raises ValidationError for one that is not allowed."""
        return replace(self, options=Options.model_validate(dict(options)))

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> SequenceClassification:
        """Return this task with class weights from the training part, if they are balanced."""
        if self.options.class_weights == "none":
            return self
        counts = Counter(str(item["label"]) for item in items)
        return replace(self, weights=balanced([counts[label] for label in labels]))

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError naming the first item that cannot be used, or if there is only one class."""
        pairs = have_pairs(items)
        for number, item in enumerate(items, start=1):
            reason = text_fault(item, pairs) or _label_fault(item)
            if reason:
                raise DataError(f"item {number} (id {item.get('id')!r}): {reason}")
        require_visible(items, lambda item: [item["label"]], self.options.hidden)
        labels = self.label_space(items)
        if len(labels) < 2:
            raise DataError(f"there is only one class ({', '.join(labels) or 'none'}): nothing can be learned")
        if self.options.positive is not None and self.options.positive not in labels:
            raise DataError(f"task_options.positive: no item has the label {self.options.positive!r}")

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Return all classes by name (numbers by value), the positive one last."""
        names = [str(label) for label in ordered({str(item["label"]) for item in items})]
        return tuple(sorted(names, key=lambda label: label == self.options.positive))

    def strata(self, items: Sequence[Item]) -> list[frozenset[str]]:
        """Return the class of each item: every part holds each class in proportion."""
        return [frozenset({str(item["label"])}) for item in items]

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Raise DataError if all training items have the same class."""
        require_learnable(items, split, lambda item: [str(item["label"])], fewest=2)

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """Return texts, or pairs of texts, with an arbitrary class."""
        require_texts(items)
        return [{**item, "label": labels[0]} for item in items]

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Return one feature and one loss term per item; `labels` is the index of its class."""
        columns, padding, counts = encode_texts(items, tokenizer, max_length)
        number = {label: index for index, label in enumerate(labels)}
        columns["labels"] = Ragged.from_rows(([number[str(item["label"])]] for item in items), np.int32)
        return Features(
            columns=columns,
            padding=padding,
            item=np.arange(len(items), dtype=np.int32),
            terms=np.ones(len(items), dtype=np.int32),
            counts=counts,
            fixed=frozenset({"labels"}),
        )

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """Return the encoder or decoder with its own classification head."""
        return source.load("AutoModelForSequenceClassification", labels, "single_label_classification")

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """Return the inputs unchanged: every epoch sees the same tokens."""
        return inputs

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the cross entropy summed over the items, each times the weight of its class, in float32."""
        from torch.nn import functional

        weights = on_device(self.weights, outputs.logits.device)
        return functional.cross_entropy(outputs.logits.float(), batch["labels"], weight=weights, reduction="sum")

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """Return the most probable class of each item, int16 [B], and its probability, float32 [B]."""
        import torch

        probability, label = outputs.logits.float().softmax(dim=-1).max(dim=-1)
        return {"label": label.to(torch.int16), "probability": probability}

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return one row per item, with the probability of the predicted class.

        With two classes there is also `labels`, the same in every row: both classes with a tab between, the positive
        one last.
        """
        import pandas as pd

        names = np.array(labels, dtype=object)
        gold = names[features.columns["labels"].values]
        predicted = names[outputs["label"].values]
        table = pd.DataFrame(
            {
                "item": column(items, features.item, "id"),
                "cluster": column(items, features.item, "cluster"),
                "gold": gold,
                "predicted": predicted,
                "correct": (gold == predicted).astype(bool),
                "probability": outputs["probability"].values,
            }
        )
        return table.assign(labels="\t".join(labels)) if len(labels) == 2 else table

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return {}: the most probable class needs no threshold."""
        return {}

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """Return the predictions unchanged: there are no thresholds."""
        return predictions

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
        """Return one row per item: its id and its class."""
        return predictions[["item", "predicted"]].set_axis(["id", "label"], axis=1)

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return every metric; f1 only if there are two classes. A NaN is an AssertionError."""
        gold, predicted = predictions["gold"].tolist(), predictions["predicted"].tolist()
        labels = labels_of(predictions["labels"].tolist()) if "labels" in predictions else ()
        names = [name for name in self.metrics if labels or name not in _OF_TWO_CLASSES]
        return {name: registry.load("metric", name).score(gold, predicted, labels=labels) for name in names}

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """Report one class for nearly every item (`one_answer`)."""
        return one_answer(predictions)


TASK = SequenceClassification()


def _label_fault(item: Item) -> str | None:
    label = item.get("label")
    if label is None:
        return missing(item, "label")
    return label_fault(label)
