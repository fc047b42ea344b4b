"""Token classification: one label per word, scored by each word's first token, on the same words for every tokenizer.

Words that are only white space are neither tokenised nor scored; a word that truncation cut off is a miss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainables import registry
from trainables.config import Frozen
from trainables.data.batching import Indices
from trainables.data.dataset import DataError, Item
from trainables.data.features import Features, Ragged
from trainables.data.splits import Split
from trainables.tasks._labels import MOSTLY, NEARLY_ALL, require_learnable
from trainables.tasks._words import kept_words, require_word_ids, split_text, word_counts, word_fault, word_of_token

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from trainables.modeling.pretrained import ModelSource, PretrainedModel

OUTSIDE = "O"
NO_LABEL = -100  # what torch's cross entropy ignores

_WORD_METRICS = (
    "weighted_f1",
    "micro_f1",
    "macro_f1",
    "accuracy",
    "weighted_f1_with_outside",
    "macro_f1_with_outside",
)
_TOKEN_METRICS = ("piece_weighted_f1",)
_SPAN_METRICS = ("span_f1", "span_f1_strict")


class Options(Frozen):
    """No options."""


@dataclass(frozen=True)
class TokenClassification:
    """Items have `words` (list of text) and `labels` (one per word): plain labels or tags such as B-X, `O` outside."""

    options: Options = field(default_factory=Options)

    name = "token_classification"
    description = "one label per word (named entities, topics, parts of speech)"
    primary_metric = "weighted_f1"
    metrics = (*_WORD_METRICS, *_TOKEN_METRICS, *_SPAN_METRICS)
    fields = ("words", "labels")
    targets = ("labels",)
    token_outputs = ("label",)
    minimized = ()
    whole_vocabulary = False
    tunes = False

    def configured(self, options: Mapping[str, Any]) -> TokenClassification:
        """Return this task. Raises ValidationError for any option: there are none."""
        return replace(self, options=Options.model_validate(dict(options)))

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> TokenClassification:
        """Return this task unchanged: nothing is learned from the training part."""
        return self

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError naming the first item whose words and labels do not fit, or if there is only one class."""
        for number, item in enumerate(items, start=1):
            reason = word_fault(item)
            if reason:
                raise DataError(f"item {number} (id {item.get('id')!r}): {reason}")
        labels = self.label_space(items)
        if len(labels) < 2:
            raise DataError(f"there is only one class ({', '.join(labels) or 'none'}): nothing can be learned")

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Return all labels: `O` first, the others sorted by name."""
        labels = set(chain.from_iterable(item["labels"] for item in items))
        return tuple(sorted(labels, key=lambda label: (label != OUTSIDE, label)))

    def strata(self, items: Sequence[Item]) -> None:
        """Return None: a sentence holds words of many labels, so the split is not stratified."""

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Raise DataError if all training words have the same label."""
        require_learnable(items, split, lambda item: item["labels"], fewest=2)

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """Return items with `words`, from their `text` split at white space where they have none."""
        split = [{**item, "words": item.get("words", split_text(item))} for item in items]
        ready = [{**item, "labels": [labels[0]] * len(item["words"] or ())} for item in split]
        for number, item in enumerate(ready, start=1):
            reason = word_fault(item)
            if reason:
                raise DataError(f"item {number} (id {item.get('id')!r}): {reason}")
        return ready

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Return one feature per item. Only a word's first token carries its label into the loss.

        `extra` holds `word`, the index of each token's word (-1: special), and `token_label`, the label of that word.
        """
        require_word_ids(tokenizer)
        kept = kept_words(items)
        words = [[item["words"][index] for index in indices] for item, indices in zip(items, kept, strict=True)]
        encodings = tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=max_length, return_attention_mask=False
        ).encodings
        offsets = np.cumsum([0, *(len(encoding.ids) for encoding in encodings)]).astype(np.int64)
        word = word_of_token(encodings, kept, offsets)
        gold = _word_labels(items, labels)
        item_of_token = np.repeat(np.arange(len(items)), np.diff(offsets))
        token_label = np.where(word < 0, NO_LABEL, gold.values[gold.offsets[item_of_token] + word])
        before = np.concatenate([[-1], word[:-1]])
        before[offsets[:-1][np.diff(offsets) > 0]] = -1
        first = (word >= 0) & (word != before)
        loss_label = np.where(first, token_label, NO_LABEL).astype(np.int32)
        input_ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int32, offsets[-1])
        terms = np.bincount(item_of_token[first], minlength=len(items)).astype(np.int32)
        return Features(
            columns={"input_ids": Ragged(input_ids, offsets), "labels": Ragged(loss_label, offsets)},
            padding={"input_ids": tokenizer.pad_token_id or 0, "labels": NO_LABEL},
            item=np.arange(len(items), dtype=np.int32),
            terms=terms,
            extra={"word": Ragged(word, offsets), "token_label": Ragged(token_label.astype(np.int32), offsets)},
            counts=word_counts(items, kept, encodings, terms),
        )

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """Return the encoder with a linear layer over each token's last hidden state."""
        return source.load("AutoModelForTokenClassification", labels)

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """Return the inputs unchanged: every epoch sees the same tokens."""
        return inputs

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the cross entropy summed over the first tokens of all words, in float32."""
        from torch.nn import functional

        logits = outputs.logits.float().flatten(0, 1)
        return functional.cross_entropy(logits, batch["labels"].flatten(), ignore_index=NO_LABEL, reduction="sum")

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """Return the most probable label of every token, int16 [B, T]; padding included."""
        import torch

        return {"label": outputs.logits.argmax(dim=-1).to(torch.int16)}

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return one row per scored word: its first token's label, or null if truncation cut it off (never correct).

        `position` is the word's index in the item, counting words of white space; `pieces` are the predicted labels
        of all tokens of the word that the model saw, with tabs between.
        """
        import pandas as pd

        names = np.array([*labels, None], dtype=object)
        scored = [items[index] for index in features.item]
        lengths = np.array([len(item["words"]) for item in scored], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        visible = np.fromiter((bool(word.strip()) for item in scored for word in item["words"]), bool, starts[-1])
        word = features.extra["word"]
        real = word.values >= 0
        cell = (np.repeat(starts[:-1], word.lengths) + word.values)[real]
        predicted_label = outputs["label"].values[real]
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        predicted = np.full(starts[-1], len(labels), dtype=np.int64)
        predicted[cell[first]] = predicted_label[first]
        counts = np.bincount(cell, minlength=starts[-1])
        gold = np.array(list(chain.from_iterable(item["labels"] for item in scored)), dtype=object)
        owner = np.repeat(np.arange(len(scored)), lengths)[visible]
        return pd.DataFrame(
            {
                "item": _column(scored, "id", owner),
                "cluster": _column(scored, "cluster", owner),
                "position": (np.arange(starts[-1]) - np.repeat(starts[:-1], lengths))[visible],
                "gold": gold[visible],
                "predicted": names[predicted][visible],
                "correct": (gold == names[predicted])[visible],
                "pieces": _joined(names[predicted_label], counts[visible]),
            }
        )

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return {}: the most probable label needs no threshold."""
        return {}

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """Return the predictions unchanged: there are no thresholds."""
        return predictions

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
        """Return one row per word: the item's id, the word's position in it, and its label."""
        return predictions[["item", "position", "predicted"]].set_axis(["id", "position", "label"], axis=1)

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return all metrics; span metrics only if every label is a tag such as B-X. A NaN is an AssertionError."""
        gold, predicted = _texts(predictions["gold"]), _texts(predictions["predicted"])
        items = predictions["item"].to_numpy()
        labels = {label for label in (*gold, *predicted) if label is not None}
        spans = [name for name in _SPAN_METRICS if _metric(name).applies(labels)]
        scores = {name: _metric(name).score(gold, predicted, items) for name in (*_WORD_METRICS, *spans)}
        scores |= {name: _metric(name).score(gold, predictions["pieces"].tolist(), items) for name in _TOKEN_METRICS}
        assert all(np.isfinite(value) for value in scores.values()), f"a score is not finite: {scores}"
        return scores

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """Report that nearly every predicted word got the most frequent gold label (as `one_answer` defines it)."""
        predicted = predictions["predicted"].dropna()
        majority, frequency = Counter(_texts(predictions["gold"])).most_common(1)[0]
        number = int((predicted == majority).sum())
        if number == len(predicted):
            return f"every word got the label {majority}"
        if number < NEARLY_ALL * len(predicted) or frequency > MOSTLY * len(predictions):
            return None
        return f"{number} of {len(predicted)} words got the label {majority}"


TASK = TokenClassification()


def _word_labels(items: Sequence[Item], labels: Sequence[str]) -> Ragged:
    number = {label: index for index, label in enumerate(labels)}
    return Ragged.from_rows(([number[label] for label in item["labels"]] for item in items), np.int64)


def _column(scored: Sequence[Item], field: str, owner: NDArray[np.int64]) -> Any:
    values = np.empty(len(scored), dtype=object)
    values[:] = [item.get(field) if item.get(field) is None else str(item[field]) for item in scored]
    return values[owner]


def _joined(labels: NDArray[Any], counts: NDArray[np.int64]) -> list[str]:
    """Join the labels of each word's tokens with tabs: plain text in every file format."""
    flat, ends = labels.tolist(), np.cumsum(counts).tolist()
    return ["\t".join(flat[end - count : end]) for end, count in zip(ends, counts.tolist(), strict=True)]


def _metric(name: str) -> Any:
    return registry.load("metric", name)


def _texts(column: pd.Series[Any]) -> list[str | None]:
    """Return labels as text and missing ones as None, whatever pandas made of them."""
    return [label if isinstance(label, str) else None for label in column.tolist()]
