"""Labels of whole items: which are refused, how classes are weighted, and how probabilities become labels."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from trainables.data.dataset import DataError, Item
from trainables.data.splits import Split

if TYPE_CHECKING:
    import pandas as pd
    import torch


NEARLY_ALL, MOSTLY = 0.99, 0.9  # shares from which a model counts as collapsed
OUTSIDE = "O"  # F1 metrics leave this label out: in tagging it means "none"
HIDDEN = ("-1", "-")  # what usually marks a hidden or missing label: GLUE's -1, and SNLI's - where annotators disagree

Names = tuple[str | Annotated[int, Field(strict=True)], ...]
HiddenLabels = Annotated[
    Names | list[str | Annotated[int, Field(strict=True)]] | None,
    AfterValidator(lambda labels: None if labels is None else tuple(map(str, labels))),
    Field(
        description="labels that mark hidden or missing ones, whose items are refused; null: -1 and -; []: none, so "
        "that these are labels like any other",
    ),
]


def label_fault(label: Any) -> str | None:
    """Return why a label cannot be used, or None. Whole numbers are labels too."""
    if isinstance(label, bool | float):
        return (
            f"a label must be text or a whole number, got {label!r}: write it as text, such as '{str(label).lower()}'"
        )
    if isinstance(label, list | tuple | dict):
        return (
            f"a label must be text or a whole number, got {label!r}; several labels are for multi_label_classification"
        )
    if not isinstance(label, str | int):
        return f"a label must be text or a whole number, got {label!r}"
    if not str(label).strip() or not str(label).isprintable():
        return "a label is empty or holds a control character"
    if label == OUTSIDE:
        return "a class cannot be called 'O': F1 leaves that name out; rename it"
    return None


def require_visible(
    items: Sequence[Item], labels_of: Callable[[Item], Sequence[Any]], hidden: Sequence[Any] | None
) -> None:
    """Raise DataError naming the first item with a hidden label, and how many there are; by default those of HIDDEN."""
    names = {str(label) for label in (HIDDEN if hidden is None else hidden)}
    numbers = [number for number, item in enumerate(items) if names & set(map(str, labels_of(item)))]
    if not numbers:
        return
    number, item = numbers[0] + 1, items[numbers[0]]
    label = next(label for label in map(str, labels_of(item)) if label in names)
    others = [name for name in map(str, hidden or ()) if name != label]
    raise DataError(
        f"item {number} (id {item.get('id')!r}): the label {label} marks hidden labels, which cannot be learned or "
        f"scored ({len(numbers):,} of {len(items):,} items have one): leave these items out with data: "
        f"{{drop_labels: [{json.dumps(label, ensure_ascii=False)}]}}; or, if it is a label like any other, write "
        f"task_options: {{hidden: {json.dumps(others, ensure_ascii=False)}}}"
    )


def require_learnable(
    items: Sequence[Item], split: Split, labels_of: Callable[[Item], Sequence[str]], fewest: int = 1
) -> None:
    """Raise DataError if the training items have fewer than `fewest` different labels: nothing can be learned.

    A label that only evaluated items have is no error: the model cannot know it, and misses it.
    """
    known = set(chain.from_iterable(labels_of(items[index]) for index in split.train))
    if len(known) < fewest:
        named = f"only the label {next(iter(known))!r}" if known else "no label"
        raise DataError(f"the training items have {named}: nothing can be learned; change the split")


def balanced(counts: Sequence[int]) -> tuple[float, ...]:
    """Return weights that make all classes count alike: items / (classes x items of the class); 1 for an empty class.

    These are scikit-learn's `class_weight="balanced"` (King and Zeng 2001); their mean over the items is 1.
    """
    present = sum(count > 0 for count in counts)
    return tuple(sum(counts) / (present * count) if count else 1.0 for count in counts)


@functools.lru_cache(maxsize=64)
def on_device(weights: tuple[float, ...], device: torch.device) -> torch.Tensor | None:
    """Return the weights, float32 [C], made once per device instead of once per step; None for no weights."""
    import torch

    return torch.tensor(weights, dtype=torch.float32, device=device) if weights else None


def one_answer(predictions: pd.DataFrame, item: str = "item", nothing: str = "the same answer") -> str | None:
    """Return a sentence if nearly every item got the same answer although the right answers differ, else None.

    "Nearly every" means 99 in 100 items, and then no right answer may belong to more than nine items in ten. If every
    item got the same answer, two different right answers suffice. `nothing` is what the empty answer is called.
    """
    predicted, gold = (predictions[name].value_counts(dropna=False) for name in ("predicted", "gold"))
    number, largest = int(predicted.iloc[0]), int(gold.iloc[0])
    what = nothing if predicted.index[0] == "" else "the same answer"
    if number == len(predictions):
        return f"every {item} got {what}" if len(gold) > 1 else None
    if number < NEARLY_ALL * len(predictions) or largest > MOSTLY * len(predictions):
        return None
    return f"{number} of {len(predictions)} {item}s got {what}"


def given_to_all(predictions: pd.DataFrame) -> str | None:
    """Return a sentence if most predicted labels go to nearly every item although most items lack them, else None.

    "Nearly every item" means 99 in 100 and "most labels" nine in ten; of each such label fewer than half of the items
    have it. A set of labels is one text, with tabs between labels.
    """
    predicted, gold = (_num_items(predictions[name]) for name in ("predicted", "gold"))
    count = len(predictions)
    to_all = [label for label in predicted if predicted[label] >= NEARLY_ALL * count and gold[label] < count / 2]
    if not to_all or sum(predicted[label] for label in to_all) < MOSTLY * predicted.total():
        return None
    return f"{len(to_all)} of {len(predicted | gold)} labels were given to nearly every item, whatever its text"


def _num_items(sets: pd.Series[Any]) -> Counter[str]:
    """Count the items that have each label."""
    return Counter(label for text in sets if isinstance(text, str) for label in text.split("\t") if label)


SEPARATOR = "\t"


def as_texts(chosen_NC: NDArray[np.bool_], labels: Sequence[str]) -> list[str]:
    """Return each row's labels in the order of the label space, with tabs between; the empty text for none."""
    names = np.array(labels, dtype=object)
    return [SEPARATOR.join(names[row]) for row in chosen_NC]


def has_label(texts: Sequence[str], label: str) -> NDArray[np.bool_]:
    """Return which sets hold a label, [N]."""
    return np.array([label in text.split(SEPARATOR) for text in texts], dtype=bool)


def positive_weights(positives: Sequence[int], count: int, largest: float) -> tuple[float, ...]:
    """Return negatives / positives per label among `count` items, within [1 / largest, largest]; 1 for no positives."""
    ratios = ((count - number) / number if number else 1.0 for number in positives)
    return tuple(float(np.clip(ratio, 1 / largest, largest)) for ratio in ratios)


def best_threshold(gold_N: NDArray[np.bool_], probability_N: NDArray[Any], default: float) -> float:
    """Return the threshold t for which `probability >= t` has the best F1; `default` if no item is positive.

    It suffices to try a threshold half-way between each two neighbouring probabilities; of equally good ones the
    nearest to `default` is taken. F1-optimal thresholds: Lipton, Elkan and Naryanaswamy (2014).
    """
    values, rank = np.unique(probability_N.astype(np.float64), return_inverse=True)
    if not gold_N.any():
        return default
    at_least = np.cumsum(np.bincount(rank)[::-1])[::-1]
    right = np.cumsum(np.bincount(rank, weights=gold_N)[::-1])[::-1]
    f1 = 2 * right / (at_least + gold_N.sum())
    candidates = np.concatenate([values[:1] / 2, (values[:-1] + values[1:]) / 2])
    best = candidates[f1 >= f1.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - default))])
