"""Multi-label classification: any number of labels per text, each decided by its own threshold (SemEval E-c).

Items have `text` (maybe `text_pair`) and `labels`, a list that may be empty. In the predictions a set of labels is one
text with a tab between labels, in the order of the label space; no label is the empty text. Empty texts are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    as_texts,
    best_threshold,
    given_to_all,
    has_label,
    label_fault,
    on_device,
    one_answer,
    positive_weights,
    require_learnable,
    require_visible,
)
from trainables.tasks._texts import column, encode_texts, have_pairs, missing, require_texts, text_fault

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from trainables.modeling.pretrained import ModelSource, PretrainedModel

UNTUNED = 0.5
PROBABILITY = "probability_"  # column of the predictions: this and the label's name


class Options(Frozen):
    """Options of multi-label classification."""

    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["tuned"] = Field(
        default="tuned", description="tuned: one per label, best F1 on items that are not reported; or one for all"
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: a label's positives weigh negatives / positives, from the training part"
    )
    largest_weight: float = Field(default=10.0, ge=1, description="balanced weights lie between this and its inverse")
    at_least_one: bool = Field(default=False, description="an item below all thresholds gets its most probable label")
    hidden: HiddenLabels = None


@dataclass(frozen=True)
class MultiLabelClassification:
    """`weights` weigh each label's positives in the loss, from the training part; () if all count alike."""

    options: Options = field(default_factory=Options)
    weights: tuple[float, ...] = ()

    name = "multi_label_classification"
    description = "any number of labels per text, or none (emotions, topics)"
    primary_metric = "macro_f1"
    metrics = ("macro_f1", "micro_f1", "weighted_f1", "subset_accuracy", "jaccard")
    fields = ("text", "labels")
    targets = ("labels",)
    token_outputs = ()
    minimized = ()
    whole_vocabulary = False

    @property
    def tunes(self) -> bool:
        """Return whether every label gets its own threshold."""
        return self.options.threshold == "tuned"

    def configured(self, options: Mapping[str, Any]) -> MultiLabelClassification:
        """Return this task with these options. Raises ValidationError for one that is not allowed."""
        return replace(self, options=Options.model_validate(dict(options)))

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> MultiLabelClassification:
        """Return this task with label weights from the training part, if they are balanced."""
        if self.options.class_weights == "none":
            return self
        counts = [sum(label in item["labels"] for item in items) for label in labels]
        return replace(self, weights=positive_weights(counts, len(items), self.options.largest_weight))

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError naming the first item that cannot be used, or if there are fewer than two labels."""
        pairs = have_pairs(items)
        for number, item in enumerate(items, start=1):
            reason = text_fault(item, pairs) or _labels_fault(item)
            if reason:
                raise DataError(f"item {number} (id {item.get('id')!r}): {reason}")
        require_visible(items, _names, self.options.hidden)
        labels = self.label_space(items)
        if len(labels) < 2:
            names = ", ".join(labels) or "none"
            raise DataError(f"there are fewer than two labels ({names}): use sequence_classification for yes or no")

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Return all labels by name (numbers by value)."""
        return tuple(str(label) for label in ordered({str(label) for item in items for label in item["labels"]}))

    def strata(self, items: Sequence[Item]) -> list[frozenset[str]]:
        """Return the labels of each item: every part holds each label in proportion."""
        return [frozenset(_names(item)) for item in items]

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Raise DataError if no training item has a label."""
        require_learnable(items, split, _names)

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """Return texts, or pairs of texts, without labels."""
        require_texts(items)
        return [{**item, "labels": []} for item in items]

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Return one feature per item and one loss term per label; `labels` is 0 or 1 for each label."""
        columns, padding, counts = encode_texts(items, tokenizer, max_length)
        given = [set(_names(item)) for item in items]
        columns["labels"] = Ragged.from_rows(([label in own for label in labels] for own in given), np.int8)
        return Features(
            columns=columns,
            padding=padding,
            item=np.arange(len(items), dtype=np.int32),
            terms=np.full(len(items), len(labels), dtype=np.int32),
            counts=counts,
            fixed=frozenset({"labels"}),
        )

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """Return the encoder or decoder with its own classification head, one output per label."""
        return source.load("AutoModelForSequenceClassification", labels, "multi_label_classification")

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """Return the inputs unchanged: every epoch sees the same tokens."""
        return inputs

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the binary cross entropy summed over items and labels, positives weighted by label, in float32."""
        from torch.nn import functional

        weights = on_device(self.weights, outputs.logits.device)
        return functional.binary_cross_entropy_with_logits(
            outputs.logits.float(), batch["labels"].float(), pos_weight=weights, reduction="sum"
        )

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """Return the probability of every label, float32 [B, C]."""
        return {"probability": outputs.logits.float().sigmoid()}

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return one row per item: gold and predicted sets, and the probability of every label in its own column.

        Labels are decided by the global threshold, or by 0.5 until thresholds are tuned. `labels` is the label space,
        separated by tabs, the same in every row.
        """
        import pandas as pd

        gold_NC = features.columns["labels"].values.reshape(-1, len(labels)).astype(bool)
        probability_NC = outputs["probability"].values.reshape(-1, len(labels))
        table = pd.DataFrame(
            {
                "item": column(items, features.item, "id"),
                "cluster": column(items, features.item, "cluster"),
                "gold": as_texts(gold_NC, labels),
                "labels": "\t".join(labels),
                **{f"{PROBABILITY}{label}": probability_NC[:, index] for index, label in enumerate(labels)},
            }
        )
        return self._decided(table, {})

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return the threshold with the best F1 on these items for every label; 0.5 for a label that no item has."""
        if not self.tunes:
            return {}
        gold = predictions["gold"].tolist()
        return {
            label: best_threshold(has_label(gold, label), predictions[f"{PROBABILITY}{label}"].to_numpy(), UNTUNED)
            for label in labels_of(predictions["labels"].tolist())
        }

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """Return the same items with the labels that reach these thresholds; unchanged for {}."""
        return self._decided(predictions, thresholds) if thresholds else predictions

    def _decided(self, table: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        labels = labels_of(table["labels"].tolist())
        default = UNTUNED if self.options.threshold == "tuned" else self.options.threshold
        thresholds_C = np.array([thresholds.get(label, default) for label in labels])
        probability_NC = table[[f"{PROBABILITY}{label}" for label in labels]].to_numpy(dtype=np.float64)
        chosen_NC = probability_NC >= thresholds_C
        if self.options.at_least_one:
            nothing = ~chosen_NC.any(axis=1)
            chosen_NC[nothing, probability_NC[nothing].argmax(axis=1)] = True
        predicted = as_texts(chosen_NC, labels)
        return table.assign(predicted=predicted, correct=table["gold"].to_numpy(dtype=object) == np.array(predicted))

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
        """Return one row per item: its id as ID, and 0 or 1 for every label."""
        import pandas as pd

        sets = [labels_of([text]) for text in predictions["predicted"]]
        columns = {label: [int(label in names) for names in sets] for label in labels}
        return pd.DataFrame({"ID": predictions["item"], **columns})

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return every metric over the whole label space: a label that no item has or gets has an F1 of 0."""
        gold, predicted = predictions["gold"].tolist(), predictions["predicted"].tolist()
        labels = labels_of(predictions["labels"].tolist())
        return {name: registry.load("metric", name).score(gold, predicted, labels=labels) for name in self.metrics}

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """Report one set of labels for nearly every item (`one_answer`), or mostly labels that nearly every item gets.

        The latter (`given_to_all`) is what thresholds tuned for F1 do to a model that learned nothing.
        """
        return one_answer(predictions, nothing="no label") or given_to_all(predictions)


TASK = MultiLabelClassification()


def _names(item: Item) -> list[str]:
    return [str(label) for label in item["labels"]]


def _labels_fault(item: Item) -> str | None:
    labels = item.get("labels")
    if labels is None:
        return f"{missing(item, 'labels')}; an empty list stands for no label"
    if not isinstance(labels, list | tuple):
        return f"labels must be a list, got {type(labels).__name__}"
    faults = chain((label_fault(label) for label in labels), [_twice(labels)])
    return next((fault for fault in faults if fault), None)


def _twice(labels: Sequence[Any]) -> str | None:
    names = [str(label) for label in labels]
    twice = next((name for name in names if names.count(name) > 1), None)
    return None if twice is None else f"the label {twice!r} occurs more than once"
