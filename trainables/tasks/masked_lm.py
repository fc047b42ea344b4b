"""Masked language modelling: a model guesses pieces that were hidden from it, to become familiar with a domain's text.

Which pieces are hidden is drawn anew each epoch from the run's seed (dynamic masking, Liu et al. 2019), and from one
fixed seed in evaluation. Their number per chunk is exact, so that the number of loss terms is known beforehand.
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
from trainables.tasks._windows import Chunking, chunked, frame_of

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerBase

    from trainables.modeling.pretrained import ModelSource, PretrainedModel

NO_LABEL = -100  # what torch's cross entropy ignores
LARGEST_EXPONENT = 700.0  # perplexity stays finite; no model that learned anything comes near
DRAWING = ("number of masked pieces", "mask piece", "size of the vocabulary")


class Options(Frozen):
    """How the text is cut and how much of it is hidden."""

    mask: float = Field(default=0.15, gt=0, lt=1, description="share of the pieces that are to be guessed")
    chunking: Chunking = Field(
        default="concatenate", description="concatenate: chunks of max_length across texts; line: a chunk a text"
    )


@dataclass(frozen=True)
class MaskedLM:
    """Items have a `text`. A chunk that several texts share belongs, in every split, to the text it begins in."""

    options: Options = field(default_factory=Options)

    name = "masked_lm"
    description = "guess hidden pieces of plain text (domain adaptation before fine-tuning)"
    primary_metric = "loss"
    metrics = ("loss", "perplexity", "masked_accuracy")
    minimized = ("loss", "perplexity")
    fields = ("text",)
    targets = ("labels", "drawing", "positions")
    token_outputs = ()
    whole_vocabulary = True
    tunes = False

    def configured(self, options: Mapping[str, Any]) -> MaskedLM:
        """This task with other options."""
        return replace(self, options=Options.model_validate(dict(options)))

    def fitted(self, items: Sequence[Item], labels: Sequence[str]) -> MaskedLM:
        """Nothing is learned from the training part beforehand."""
        return self

    def check(self, items: Sequence[Item]) -> None:
        """Raise DataError for the first item without a text, or when there is nothing but white space."""
        for number, item in enumerate(items, start=1):
            if not isinstance(item.get("text"), str):
                reason = "there is no text; map a column to it with data.columns"
                raise DataError(f"item {number} (id {item.get('id')!r}): {reason}")
        if not any(item["text"].strip() for item in items):
            raise DataError("there is no text besides white space")

    def label_space(self, items: Sequence[Item]) -> tuple[str, ...]:
        """Text has no labels."""
        return ()

    def strata(self, items: Sequence[Item]) -> None:
        """The split is a plain draw."""

    def check_split(self, items: Sequence[Item], split: Split, labels: Sequence[str]) -> None:
        """Every split can be used."""

    def unlabelled(self, items: Sequence[Item], labels: Sequence[str]) -> list[Item]:
        """A text is all that an item needs."""
        self.check(items)
        return list(items)

    def encode(
        self, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, labels: Sequence[str], max_length: int
    ) -> Features:
        """One feature a chunk; `labels` are the pieces that may be hidden. No text is left out.

        `drawing` holds for each chunk what `augment` needs to know (DRAWING).
        """
        if tokenizer.mask_token_id is None:
            raise ValueError(f"{tokenizer.name_or_path}: has no mask token; masked_lm needs an encoder that has one")
        texts = tokenizer([item["text"] for item in items], add_special_tokens=False, verbose=False)["input_ids"]
        chunks = chunked(texts, frame_of(tokenizer), max_length, self.options.chunking)
        pieces, is_text = chunks.pieces, chunks.is_text
        num_text = np.add.reduceat(is_text.values, is_text.offsets[:-1], dtype=np.int64)
        terms = np.array([masking.num_masked(count, self.options.mask) for count in num_text], dtype=np.int32)
        drawing = np.full((len(terms), len(DRAWING)), [0, tokenizer.mask_token_id, len(tokenizer)], dtype=np.int32)
        drawing[:, 0] = terms
        candidates = np.where(is_text.values == 1, pieces.values, NO_LABEL).astype(np.int32)
        return Features(
            columns={
                "input_ids": pieces,
                "labels": Ragged(candidates, pieces.offsets),
                "drawing": Ragged.from_rows(drawing, np.int32),
            },
            padding={"input_ids": tokenizer.pad_token_id or 0, "labels": NO_LABEL, "drawing": 0},
            item=chunks.owner,
            terms=terms,
            fixed=frozenset({"drawing"}),
        )

    def build_model(self, source: ModelSource, labels: Sequence[str]) -> PretrainedModel:
        """The encoder with the head that guesses pieces."""
        return source.load("AutoModelForMaskedLM", labels)

    def augment(self, inputs: dict[str, Tensor], rows: Indices, seed: int) -> dict[str, Tensor]:
        """The batch with its masked pieces hidden; `labels` become those pieces [B, K], at `positions` [B, K]."""
        import torch

        pieces_BT, candidates_BT = inputs["input_ids"], inputs["labels"]
        num_B, mask_piece_B, vocabulary_B = inputs["drawing"].unbind(dim=1)
        rows_B = torch.from_numpy(np.ascontiguousarray(rows)).to(pieces_BT.device, non_blocking=True)
        places = masking.most_masked(pieces_BT.shape[1], self.options.mask)
        is_text_BT = candidates_BT != NO_LABEL
        positions_BK, used_BK = masking.chosen_positions(is_text_BT, num_B, places, rows_B, seed)
        hidden_BT = torch.zeros_like(is_text_BT).scatter(1, positions_BK, used_BK)
        seen_BT = masking.replaced(pieces_BT, mask_piece_B, vocabulary_B, rows_B, seed)
        return {
            **inputs,
            "input_ids": torch.where(hidden_BT, seen_BT, pieces_BT),
            "labels": torch.where(used_BK, candidates_BT.gather(1, positions_BK), NO_LABEL),
            "positions": positions_BK,
        }

    def loss(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy summed over the masked pieces, in float32."""
        return self._losses(outputs, batch).sum()

    def outputs(self, outputs: Any, batch: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        """Of each chunk the summed loss, and how many of its masked pieces the model guesses first, [B] each."""
        guessed_BK = _logits_at(outputs, batch).argmax(dim=-1) == batch["labels"]
        num_B = (batch["labels"] != NO_LABEL).sum(dim=1)
        return {"loss": self._losses(outputs, batch).sum(dim=1), "guessed": guessed_BK.sum(dim=1), "masked": num_B}

    def predictions(
        self, items: Sequence[Item], features: Features, outputs: Mapping[str, Ragged], labels: Sequence[str]
    ) -> pd.DataFrame:
        """One row a chunk: summed `loss`, `masked` pieces, `guessed` ones; there is no gold label and no answer.

        `position` is the chunk's number among those that begin in the same item.
        """
        import pandas as pd

        owners = [items[index] for index in features.item]
        first = np.flatnonzero(np.diff(features.item, prepend=-1))
        place = np.arange(len(owners)) - np.repeat(first, np.diff([*first, len(owners)]))
        return pd.DataFrame(
            {
                "item": pd.Series([str(item["id"]) for item in owners], dtype=object),
                "cluster": pd.Series([_text(item.get("cluster")) for item in owners], dtype=object),
                "position": place,
                "gold": pd.Series([None] * len(owners), dtype=object),
                "predicted": pd.Series([None] * len(owners), dtype=object),
                "correct": pd.Series([None] * len(owners), dtype=object),
                "loss": outputs["loss"].values.astype(np.float64),
                "masked": outputs["masked"].values.astype(np.int64),
                "guessed": outputs["guessed"].values.astype(np.int64),
            }
        )

    def tune(self, predictions: pd.DataFrame) -> dict[str, float]:
        """There is nothing to decide."""
        return {}

    def apply_thresholds(self, predictions: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """There is nothing to decide."""
        return predictions

    def submission(self, predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
        """The summed loss and the number of masked pieces of every chunk."""
        return predictions[["item", "position", "loss", "masked"]]

    def score(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Mean loss over masked pieces (nats), its exponential, and the share of pieces that are guessed first."""
        masked = int(predictions["masked"].sum())
        loss = float(predictions["loss"].sum()) / masked
        assert math.isfinite(loss), f"the loss is {loss}, which is never a score"
        accuracy = int(predictions["guessed"].sum()) / masked
        return {"loss": loss, "perplexity": math.exp(min(loss, LARGEST_EXPONENT)), "masked_accuracy": accuracy}

    def collapse(self, predictions: pd.DataFrame) -> str | None:
        """A loss is a score whatever the model says."""
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
    """Logits where pieces are masked, [B, K, V]: a seventh of all, and nothing waits for how many there are."""
    logits_BTV, positions_BK = outputs.logits, batch["positions"]
    return logits_BTV.gather(1, positions_BK[:, :, None].expand(-1, -1, logits_BTV.shape[-1]))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
