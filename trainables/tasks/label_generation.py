"""Label generation: an instruction-tuned decoder reads a request and writes the label, or the labels, as text.

Items have `text` (maybe `text_pair`) and `label`, or with `form: multi` a list of `labels` that may be empty. The
request goes through the model's chat template, the loss is on the answer only, and answers are parsed strictly: one
that names no label, or anything else besides, is unparseable. It is counted, gets no label and is never correct.
"""

from __future__ import annotations

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
    SEPARATOR,
    HiddenLabels,
    given_to_all,
    one_answer,
    require_learnable,
    require_visible,
)
from trainables.tasks._prompts import (
    Prompt,
    Writer,
    answer_fault,
    answer_of,
    as_text,
    cut_after,
    instruction_for,
    parse,
    text_of,
    unwritable,
)
from trainables.tasks._texts import column, have_pairs, require_texts, text_fault

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from trainables.modeling.pretrained import ModelSource, PretrainedModel

NO_LOSS = -100  # what torch's cross entropy ignores
_OF_ONE = ("accuracy", "macro_f1", "weighted_f1")
_OF_MANY = ("macro_f1", "micro_f1", "weighted_f1", "subset_accuracy", "jaccard")


class Options(Frozen):
    """Options of label generation."""

    form: Literal["single", "multi"] = Field(
        default="single", description="single: exactly one label per text; multi: any number, separated by commas"
    )
    labels: tuple[str, ...] | list[str] | None = Field(
        default=None, description="the label space; null: the labels in the data. A label outside it is refused"
    )
    nothing: str = Field(default="none", description="form multi: the answer that means no label applies")
    instruction: str | None = Field(
        default=None, description="the request before the text; null: a built-in one that names all labels"
    )
    hidden: HiddenLabels = None


@dataclass(frozen=True)
class LabelGeneration:
    """Predictions are as in sequence or multi-label classification, with the model's text as `written`."""

    options: Options = field(default_factory=Options)

    name = "label_generation"
    description = "labels written as text by an instruction-tuned decoder"
    primary_metric = "macro_f1"
    metrics = ("macro_f1", "micro_f1", "weighted_f1", "accuracy", "subset_accuracy", "jaccard", "unparseable")
    targets = ("labels", "prompt_length")
    token_outputs = ()
    minimized = ()
    whole_vocabulary = True
    tunes = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the item fields: `label` for one label per text, `labels` for any number."""
        return ("text", "label" if self._nothing is None else "labels")

    @property
    def _nothing(self) -> str | None:
        """Return the answer that means no label applies; None where exactly one does."""
        return self.options.nothing if self.options.form == "multi" else None

    def configured(self, options: Mapping[str, Any]) -> LabelGeneration:
        """Return this task with these options. Raises ValidationError for one that is not allowed."""
        return replace(self, options=Options.model_validate(dict(options)))

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> LabelGeneration:
        """Return this task unchanged: nothing is learned from the training part."""
        return self

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError naming the first item or label that cannot be used, or if there are fewer than two labels."""
        pairs = have_pairs(items)
        for number, item in enumerate(items, start=1):
            reason = text_fault(item, pairs) or answer_fault(item, self.fields[1], self.options.labels)
            if reason:
                raise DataError(f"item {number} (id {item.get('id')!r}): {reason}")
        require_visible(items, self._names, self.options.hidden)
        labels = self.label_space(items)
        if len(labels) < 2:
            raise DataError(f"there are fewer than two labels ({', '.join(labels) or 'none'}): nothing can be learned")
        for label in labels:
            reason = unwritable(label, self._nothing)
            if reason:
                raise DataError(f"the label {label!r} cannot be read from an answer: {reason}")

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Return the labels as given, or else all labels of the items by name (numbers by value)."""
        if self.options.labels is not None:
            return tuple(self.options.labels)
        return tuple(str(label) for label in ordered({label for item in items for label in self._names(item)}))

    def strata(self, items: Sequence[Item]) -> list[frozenset[str]]:
        """Return the labels of each item: every part holds each label in proportion."""
        return [frozenset(self._names(item)) for item in items]

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Raise DataError if no training item has a label or, with exactly one each, all have the same."""
        require_learnable(items, split, self._names, fewest=2 if self._nothing is None else 1)

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """Return texts, or pairs of texts, with an arbitrary label."""
        require_texts(items)
        label = {"label": labels[0]} if self._nothing is None else {"labels": []}
        return [{**item, **label} for item in items]

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Return one feature per item: prompt, answer and its end. Only the text is cut, to leave room for any answer.

        `labels` is the token to write at each position of the answer, `prompt_length` the number of tokens before it.
        """
        prompt = Prompt.of(tokenizer, self._instruction(labels))
        written = prompt.answers(tokenizer, [self._answer(self._names(item), labels) for item in items])
        room = max_length - len(prompt.head) - len(prompt.tail) - self._longest(tokenizer, prompt, labels)
        if room < 1:
            needed = max_length - room + 1
            raise ValueError(f"train.max_length is {max_length}, but the request alone takes {needed} tokens; raise it")
        texts, counts = cut_after(tokenizer, [text_of(item) for item in items], room)
        prompts = [[*prompt.head, *text, *prompt.tail] for text in texts]
        both = list(zip(prompts, written, strict=True))
        return Features(
            columns={
                "input_ids": Ragged.from_rows(([*before, *after] for before, after in both), np.int32),
                "labels": Ragged.from_rows(([NO_LOSS] * len(before) + after for before, after in both), np.int32),
                "prompt_length": Ragged.from_rows(([len(before)] for before in prompts), np.int32),
            },
            padding={"input_ids": prompt.padding, "labels": NO_LOSS},
            item=np.arange(len(items), dtype=np.int32),
            terms=np.array([len(after) for after in written], dtype=np.int32),
            counts=counts,
            fixed=frozenset({"prompt_length"}),
        )

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """Return the decoder with its own output layer, and with what it needs to write answers."""
        pretrained = source.load("AutoModelForCausalLM", labels)
        tokenizer = source.tokenizer()
        prompt = Prompt.of(tokenizer, self._instruction(labels))
        module: Any = pretrained.module
        width = 2 * len(self._longest_answer(labels).encode()) + 16
        writer = Writer(tokenizer, prompt.stops, prompt.padding, self._longest(tokenizer, prompt, labels), width)
        module.label_writer, module.generation_config = writer, writer.settings()
        return pretrained

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """Return the inputs unchanged: every epoch sees the same tokens."""
        return inputs

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the cross entropy summed over the tokens of the answers and their ends, in float32."""
        from torch.nn import functional

        target_BT = batch["labels"][:, 1:]
        counts_BT = target_BT != NO_LOSS
        logits = outputs.logits[:, :-1][counts_BT].float()
        return functional.cross_entropy(logits, target_BT[counts_BT], reduction="sum")

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """Return what the model writes after each prompt, as UTF-8: uint8 [B, bytes]."""
        writer: Any = model.label_writer
        return {"written": writer.write(model, batch["input_ids"], batch["prompt_length"])}

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return one row per item, with tabs between labels. An unparseable answer is null; `labels` are all labels."""
        import pandas as pd

        written = [as_text(outputs["written"].row(row)) for row in range(len(features))]
        parsed = [parse(text, labels, self._nothing) for text in written]
        own = [set(self._names(items[index])) for index in features.item]
        gold = [SEPARATOR.join(label for label in labels if label in names) for names in own]
        predicted = [None if names is None else SEPARATOR.join(names) for names in parsed]
        return pd.DataFrame(
            {
                "item": column(items, features.item, "id"),
                "cluster": column(items, features.item, "cluster"),
                "position": 0,
                "gold": gold,
                "predicted": pd.Series(predicted, dtype=object),
                "correct": [one == right for one, right in zip(predicted, gold, strict=True)],
                "labels": SEPARATOR.join(labels),
                "written": written,
            }
        )

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return {}: a written answer needs no threshold."""
        return {}

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """Return the predictions unchanged: there are no thresholds."""
        return predictions

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
        """Return one row per item: its id and its label (or 0 or 1 per label); an unparseable answer has no label."""
        import pandas as pd

        if self._nothing is None:
            return pd.DataFrame({"id": predictions["item"], "label": predictions["predicted"].fillna("")})
        sets = [labels_of([text]) for text in predictions["predicted"]]
        columns = {label: [int(label in names) for names in sets] for label in labels}
        return pd.DataFrame({"ID": predictions["item"], **columns})

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return metrics over the whole label space, and the share of unparseable answers."""
        gold = predictions["gold"].tolist()
        predicted = [None if value is None or value != value else value for value in predictions["predicted"]]
        labels = labels_of(predictions["labels"].tolist())
        names = _OF_ONE if self._nothing is None else _OF_MANY
        scores = {name: registry.load("metric", name).score(gold, predicted, labels=labels) for name in names}
        return {**scores, "unparseable": predicted.count(None) / len(predicted)}

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """Report one answer for nearly every item (`one_answer`; unparseable ones count as one), or `given_to_all`."""
        same = one_answer(predictions, nothing="no label")
        return same if self._nothing is None else same or given_to_all(predictions)

    def _names(self, item: Item) -> list[str]:
        return [str(item["label"])] if self._nothing is None else [str(label) for label in item["labels"]]

    def _instruction(self, labels: Sequence[str]) -> str:
        return self.options.instruction or instruction_for(labels, self._nothing)

    def _answer(self, names: Sequence[str], labels: Sequence[str]) -> str:
        return answer_of([label for label in labels if label in names], self._nothing)

    def _longest_answer(self, labels: Sequence[str]) -> str:
        return max(labels, key=len) if self._nothing is None else answer_of(labels, self._nothing)

    def _longest(self, tokenizer: PreTrainedTokenizerBase, prompt: Prompt, labels: Sequence[str]) -> int:
        """Return the number of tokens of the longest valid answer, its end included."""
        valid = list(labels) if self._nothing is None else [answer_of(labels, self._nothing), self._nothing]
        return max(map(len, prompt.answers(tokenizer, valid)))


TASK = LabelGeneration()
