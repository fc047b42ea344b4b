"""Masked language modelling: a model guesses tokens that are hidden from it, to become familiar with a domain's text.

The hidden tokens are drawn anew each epoch from the run's seed (dynamic masking, Liu et al. 2019), and from one fixed
seed in evaluation. Their number per chunk is fixed, so the number of loss terms is known beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from trainables.config import Frozen
from trainables.data.batching import Indices
from trainables.data.dataset import DataError, Item
from trainables.data.features import Features, Ragged
from trainables.data.splits import Split
from trainables.tasks import _masking as masking
from trainables.tasks._texts import missing
from trainables.tasks._windows import Chunking, chunked, frame_of

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from trainables.modeling.pretrained import ModelSource, PretrainedModel

NO_LABEL = -100  # what torch's cross entropy ignores
LARGEST_EXPONENT = 700.0  # keeps perplexity finite; no model that learned anything comes near
DRAWING = ("number of masked tokens", "mask token", "size of the vocabulary")


class Options(Frozen):
    """How the text is cut and how much of it is hidden."""

    mask: float = Field(default=0.15, gt=0, lt=1, description="share of the tokens to guess")
    chunking: Chunking = Field(
        default="concatenate", description="concatenate: chunks of max_length across texts; line: one chunk per text"
    )


@dataclass(frozen=True)
class MaskedLM:
    """Items have a `text`. In a split, a chunk that several texts share belongs to the text it begins in."""

    options: Options = field(default_factory=Options)

    name = "masked_lm"
    description = "guess hidden tokens of plain text (domain adaptation before fine-tuning)"
    primary_metric = "loss"
    metrics = ("loss", "perplexity", "masked_accuracy")
    minimized = ("loss", "perplexity")
    fields = ("text",)
    targets = ("labels", "drawing", "positions")
    token_outputs = ()
    whole_vocabulary = True
    tunes = False

    def configured(self, options: Mapping[str, Any]) -> MaskedLM:
        """Return this task with these options. Raises ValidationError for one that is not allowed."""
        return replace(self, options=Options.model_validate(dict(options)))

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> MaskedLM:
        """Return this task unchanged: nothing is learned from the training part."""
        return self

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError naming the first item without a text, or if there is only white space."""
        for number, item in enumerate(items, start=1):
            if not isinstance(item.get("text"), str):
                kind = type(item.get("text")).__name__
                reason = missing(item, "text") if item.get("text") is None else f"text must be text, got {kind}"
                raise DataError(f"item {number} (id {item.get('id')!r}): {reason}")
        if not any(item["text"].strip() for item in items):
            raise DataError("the texts are white space only")

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Return no labels: text has none."""
        return ()

    def strata(self, items: Sequence[Item]) -> None:
        """Return None: the split is not stratified."""

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Accept every split."""

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """Return the items: a text is all that they need."""
        self.check(items)
        return list(items)

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """Return one feature per chunk; `labels` are the tokens that may be hidden. No text is left out.

        `drawing` holds for each chunk what `augment` needs (DRAWING).
        """
        if tokenizer.mask_token_id is None:
            raise ValueError(f"{tokenizer.name_or_path}: it has no mask token; masked_lm needs an encoder with one")
        texts = tokenizer([item["text"] for item in items], add_special_tokens=False, verbose=False)["input_ids"]
        chunks = chunked(texts, frame_of(tokenizer), max_length, self.options.chunking)
        tokens, is_text = chunks.tokens, chunks.is_text
        num_text = np.add.reduceat(is_text.values, is_text.offsets[:-1], dtype=np.int64)
        terms = np.array([masking.num_masked(count, self.options.mask) for count in num_text], dtype=np.int32)
        drawing = np.full((len(terms), len(DRAWING)), [0, tokenizer.mask_token_id, len(tokenizer)], dtype=np.int32)
        drawing[:, 0] = terms
        candidates = np.where(is_text.values == 1, tokens.values, NO_LABEL).astype(np.int32)
        return Features(
            columns={
                "input_ids": tokens,
                "labels": Ragged(candidates, tokens.offsets),
                "drawing": Ragged.from_rows(drawing, np.int32),
            },
            padding={"input_ids": tokenizer.pad_token_id or 0, "labels": NO_LABEL, "drawing": 0},
            item=chunks.owner,
            terms=terms,
            fixed=frozenset({"drawing"}),
        )

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """Return the encoder with the head that guesses tokens."""
        return source.load("AutoModelForMaskedLM", labels)

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """Return the batch with masked tokens hidden; `labels` become those tokens [B, K], at `positions` [B, K]."""
        import torch

        tokens_BT, candidates_BT = inputs["input_ids"], inputs["labels"]
        num_B, mask_token_B, vocabulary_B = inputs["drawing"].unbind(dim=1)
        rows_B = torch.from_numpy(np.ascontiguousarray(rows)).to(tokens_BT.device, non_blocking=True)
        num_slots = masking.most_masked(tokens_BT.shape[1], self.options.mask)
        is_text_BT = candidates_BT != NO_LABEL
        positions_BK, used_BK = masking.chosen_positions(is_text_BT, num_B, num_slots, rows_B, seed)
        hidden_BT = torch.zeros_like(is_text_BT).scatter(1, positions_BK, used_BK)
        seen_BT = masking.replaced(tokens_BT, mask_token_B, vocabulary_B, rows_B, seed)
        return {
            **inputs,
            "input_ids": torch.where(hidden_BT, seen_BT, tokens_BT),
            "labels": torch.where(used_BK, candidates_BT.gather(1, positions_BK), NO_LABEL),
            "positions": positions_BK,
        }

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the cross entropy summed over the masked tokens, in float32."""
        return self._losses(outputs, batch).sum()

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """Return per chunk the summed loss and the numbers of masked and of correctly guessed tokens, [B] each."""
        guessed_BK = _logits_at(outputs, batch).argmax(dim=-1) == batch["labels"]
        num_B = (batch["labels"] != NO_LABEL).sum(dim=1)
        return {"loss": self._losses(outputs, batch).sum(dim=1), "guessed": guessed_BK.sum(dim=1), "masked": num_B}

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """Return one row per chunk: summed `loss`, number of `masked` and of `guessed` tokens; no gold, no prediction.

        `position` is the chunk's number among those that begin in the same item.
        """
        import pandas as pd

        owners = [items[index] for index in features.item]
        first = np.flatnonzero(np.diff(features.item, prepend=-1))
        position = np.arange(len(owners)) - np.repeat(first, np.diff([*first, len(owners)]))
        return pd.DataFrame(
            {
                "item": pd.Series([str(item["id"]) for item in owners], dtype=object),
                "cluster": pd.Series([_text(item.get("cluster")) for item in owners], dtype=object),
                "position": position,
                "gold": pd.Series([None] * len(owners), dtype=object),
                "predicted": pd.Series([None] * len(owners), dtype=object),
                "correct": pd.Series([None] * len(owners), dtype=object),
                "loss": outputs["loss"].values.astype(np.float64),
                "masked": outputs["masked"].values.astype(np.int64),
                "guessed": outputs["guessed"].values.astype(np.int64),
            }
        )

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return {}: there are no thresholds."""
        return {}

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """Return the predictions unchanged: there are no thresholds."""
        return predictions

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
        """Return the summed loss and the number of masked tokens of every chunk."""
        return predictions[["item", "position", "loss", "masked"]]

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return the mean loss over masked tokens (nats), its exponential, and the share that the first guess gets."""
        masked = int(predictions["masked"].sum())
        loss = float(predictions["loss"].sum()) / masked
        assert math.isfinite(loss), f"the loss is {loss}, which is never a score"
        accuracy = int(predictions["guessed"].sum()) / masked
        return {"loss": loss, "perplexity": math.exp(min(loss, LARGEST_EXPONENT)), "masked_accuracy": accuracy}

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """Return None: a loss is a score whatever the model predicts."""
        return None

    def _losses(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        from torch.nn import functional

        logits_BKV, labels_BK = _logits_at(outputs, batch).float(), batch["labels"]
        losses = functional.cross_entropy(
            logits_BKV.flatten(0, 1), labels_BK.flatten(), ignore_index=NO_LABEL, reduction="none"
        )
        return losses.view_as(labels_BK)


TASK = MaskedLM()


def _logits_at(outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Return the logits of masked tokens, [B, K, V]: a seventh of all, and the host need not wait for their number."""
    logits_BTV, positions_BK = outputs.logits, batch["positions"]
    return logits_BTV.gather(1, positions_BK[:, :, None].expand(-1, -1, logits_BTV.shape[-1]))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
