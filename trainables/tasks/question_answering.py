"""Extractive question answering: the answer is a span of the context, or there is none; scored as SQuAD 2.0.

Windows, post-processing and metrics follow Devlin et al. (2019) and Rajpurkar et al. (2018). Scores are in [0, 1]: the
official script's percentages divided by 100. Padding takes no part in the loss, so batches do not change what is
learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from trainables.config import Frozen
from trainables.data.batching import Indices
from trainables.data.clusters import cluster_of
from trainables.data.dataset import DataError, Item
from trainables.data.features import Features, Ragged
from trainables.data.splits import Split
from trainables.tasks._answers import (
    NO_ANSWERS,
    SCORED,
    BestAnswers,
    answers_of,
    best_score,
    gold,
    has_answer,
    item_scores,
    official_scores,
    require_sound,
)
from trainables.tasks._labels import one_answer
from trainables.tasks._windows import answer_tokens, window_counts, windows_of

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from trainables.modeling.pretrained import ModelSource, PretrainedModel

THRESHOLD = "no_answer_threshold"
_OUTPUTS = ("start", "end")  # the head's two values per token


class Options(Frozen):
    """How contexts are cut and answers are chosen."""

    stride: int = Field(default=128, ge=0, description="tokens of the context that neighbouring windows share")
    n_best: int = Field(default=20, ge=1, description="how many of a window's best starts and ends are combined")
    max_answer_length: int = Field(default=30, ge=1, description="longest answer, in tokens")
    no_answer_threshold: float = Field(
        default=0.0, description="empty answer where the null score minus the best span's score is above this"
    )
    tune_threshold: bool = Field(default=False, description="choose that threshold by F1 on data that is not reported")
    no_answer: Literal["never", "allowed"] | None = Field(
        default=None,
        description="never: each question gets an answer (SQuAD 1.1); null: never if each has one in the data",
    )

    @model_validator(mode="after")
    def _threshold_is_used(self) -> Options:
        if self.no_answer == "never" and self.sets_threshold:
            raise ValueError("no_answer: never uses no threshold: remove it, or write no_answer: allowed")
        return self

    @property
    def sets_threshold(self) -> bool:
        """Whether the user chose a threshold on "no answer", or has it tuned."""
        return self.tune_threshold or self.no_answer_threshold != 0.0


@dataclass(frozen=True)
class QuestionAnswering:
    """Items have `question`, `context` and `answers`: lists `text` and `answer_start` (characters), empty for none.

    The first answer is trained on; in scoring all are equally right. A `cluster` is what questions share: the data's
    own, or else their article (`title`), or else their context.
    """

    options: Options = field(default_factory=Options)

    name = "question_answering"
    description = "the answer to a question as a span of its context, or none (SQuAD)"
    primary_metric = "answer_f1"
    metrics = (
        "answer_f1",
        "exact_match",
        "total",
        "has_answer_exact_match",
        "has_answer_f1",
        "has_answer_total",
        "no_answer_exact_match",
        "no_answer_f1",
        "no_answer_total",
        "best_exact_match",
        "best_exact_match_threshold",
        "best_answer_f1",
        "best_answer_f1_threshold",
    )
    fields = ("question", "context", "answers")
    targets = ("start_positions", "end_positions")
    token_outputs = _OUTPUTS
    minimized = ()
    whole_vocabulary = False

    @property
    def tunes(self) -> bool:
        """Return whether the threshold on "no answer" is tuned."""
        return self.options.tune_threshold

    def configured(self, options: Mapping[str, Any]) -> QuestionAnswering:
        """Return this task with these options. Raises ValidationError for one that is not allowed."""
        return replace(self, options=Options.model_validate(dict(options)))

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> QuestionAnswering:
        """Return this task unchanged: nothing is learned from the training part."""
        return self

    def decided(self, items: Sequence[Item]) -> tuple[QuestionAnswering, tuple[str, ...]]:
        """Return this task with `no_answer: never` if every question has an answer, and a note that says so.

        It stays as it is where the user chose, also by a threshold.
        """
        if self.options.no_answer is not None or self.options.sets_threshold or not all(map(has_answer, items)):
            return self, ()
        note = "every question has an answer, so each gets one (task_options.no_answer: allowed permits none)"
        return replace(self, options=self.options.model_copy(update={"no_answer": "never"})), (note,)

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError naming the first question that cannot be used, or if no question has an answer."""
        require_sound(items)
        if not any(item["answers"]["text"] for item in items):
            raise DataError("no question has an answer: nothing can be learned")

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Return no labels: answers are spans of text, not classes."""
        return ()

    def strata(self, items: Sequence[Item]) -> Sequence[frozenset[str]]:
        """Return per item whether it has an answer: every part holds both kinds in proportion."""
        return [frozenset({"answer"} if item["answers"]["text"] else ()) for item in items]

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Raise DataError if no training question has an answer."""
        if not any(items[index]["answers"]["text"] for index in split.train):
            raise DataError("no training question has an answer: nothing can be learned; change the split")

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """Return questions (from `question` or `text`) with their `context` and without answers."""
        ready = [{**item, "question": item.get("question", item.get("text")), "answers": NO_ANSWERS} for item in items]
        require_sound(ready)
        return ready

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Return one feature per window, with one loss term: the mean of start and end.

        `extra` holds `start` and `end`, the position of each token's text in the context (-1: none).
        """
        windows = windows_of(items, tokenizer, max_length, self.options.stride, self.name)
        tokens = answer_tokens(windows, items)
        rows = np.arange(len(tokens) + 1, dtype=np.int64)
        columns = {
            "input_ids": windows.input_ids,
            "start_positions": Ragged(tokens[:, 0].copy(), rows),
            "end_positions": Ragged(tokens[:, 1].copy(), rows),
        }
        if "token_type_ids" in tokenizer.model_input_names:
            columns["token_type_ids"] = windows.type_ids
        return Features(
            columns=columns,
            padding={name: (tokenizer.pad_token_id or 0) if name == "input_ids" else 0 for name in columns},
            item=windows.item,
            terms=np.ones(len(tokens), dtype=np.int32),
            extra={"start": windows.start, "end": windows.end},
            counts=window_counts(items, windows.item, tokens),
            fixed=frozenset(self.targets),
        )

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """Return the encoder with a linear layer that gives each token a start and an end score."""
        return source.load("AutoModelForQuestionAnswering", _OUTPUTS)

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """Return the inputs unchanged: every epoch sees the same windows."""
        return inputs

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the mean cross entropy of start and end over a window's tokens, in float32, summed over windows."""
        from torch.nn import functional

        mask = batch.get("attention_mask")

        def entropy(logits: Tensor, target: Tensor) -> Tensor:
            scores = logits.float() if mask is None else logits.float().masked_fill(mask == 0, float("-inf"))
            return functional.cross_entropy(scores, target, reduction="sum")

        start = entropy(outputs.start_logits, batch["start_positions"])
        return (start + entropy(outputs.end_logits, batch["end_positions"])) / 2

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """Return the start and end score of every token, float32 [B, T]; padding included."""
        return {"start": outputs.start_logits.float(), "end": outputs.end_logits.float()}

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return one row per question. `gold` are the distinct gold answers, one per line, empty for none.

        `answer` is the best span over all windows, as written in the context; `no_answer_score` is how far the null
        score exceeds the span's (in logits). `predicted` is the answer, or empty where that is above the threshold
        (never with `no_answer: never`). `item_score` is the F1 of `predicted`.
        """
        import pandas as pd

        text = features.extra["start"]
        candidate = Ragged((text.values >= 0).astype(np.float32), text.offsets)
        scores = (outputs["start"], outputs["end"])
        answers = answers_of(features.item, *scores, candidate, self.options.n_best, self.options.max_answer_length)
        asked = [items[index] for index in answers.item]
        table = pd.DataFrame(
            {
                "item": [str(item["id"]) for item in asked],
                "cluster": [cluster_of(item, self.fields) for item in asked],
                "gold": [gold(item) for item in asked],
                "answer": _texts(asked, features, answers),
                "no_answer_score": answers.no_answer_score,
            }
        )
        return self._answered(table, self.options.no_answer_threshold)

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return the threshold with the best F1 on these predictions; {} if it is not tuned."""
        if not self.tunes:
            return {}
        threshold = best_score(predictions, self.primary_metric)[1]
        lowest = float(predictions["no_answer_score"].min())
        return {THRESHOLD: float(np.nextafter(lowest, -np.inf)) if threshold is None else threshold}

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """Return the predictions with this threshold on "no answer"; unchanged for {}."""
        return self._answered(predictions, thresholds[THRESHOLD]) if thresholds else predictions

    def _answered(self, table: pd.DataFrame, threshold: float) -> pd.DataFrame:
        none = table["no_answer_score"] > threshold if self.options.no_answer != "never" else False
        predicted = np.where(none, "", table["answer"])
        exact, overlap = (item_scores(table["gold"], predicted, name) for name in SCORED)
        return table.assign(predicted=predicted, correct=exact == 1, item_score=overlap)

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> dict[str, str]:
        """Return question id -> answer, as the official script takes them."""
        return dict(zip(predictions["item"], predictions["predicted"], strict=True))

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return all fields of the official script; fields about (un)answerable questions only if there are any.

        `best_*` take the best threshold on the reported data itself: an upper bound that must not be used for choosing.
        A question without a prediction is a miss, a NaN an AssertionError.
        """
        scores = official_scores(predictions)
        assert all(np.isfinite(value) for value in scores.values()), f"a score is not finite: {scores}"
        return scores

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """Report that no question got an answer although some have one, or that nearly all got one (`one_answer`)."""
        if (predictions["predicted"] == "").all() and (predictions["gold"] != "").any():
            return "no question got an answer"
        return one_answer(predictions, "question", "no answer")


TASK = QuestionAnswering()


def _texts(asked: Sequence[Item], features: Features, answers: BestAnswers) -> list[str]:
    """Return the spans as written in the contexts, without white space around."""
    start, end = features.extra["start"], features.extra["end"]
    first = start.values[start.offsets[answers.window] + answers.first].tolist()
    last = end.values[end.offsets[answers.window] + answers.last].tolist()
    return [item["context"][a:b].strip() for item, a, b in zip(asked, first, last, strict=True)]
