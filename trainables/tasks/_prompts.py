"""Prompts and answers of a model that writes labels as text: its chat template, or a plain one where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.dataset import Item
from trainables.tasks._labels import label_fault
from trainables.tasks._texts import PAIR, TEXT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BETWEEN = ", "
_TEXT, _ANSWER = "\u241etext\u241e", "\u241eanswer\u241e"  # stand for what is put in later; no template changes them
_DATE = "26 Jul 2024"  # Llama's template would tell today's date, and the same item would be another one tomorrow


@dataclass(frozen=True)
class Prompt:
    """Pieces before and after an item's text, what leads an answer, and what ends it (the first of `stops`)."""

    head: list[int]
    tail: list[int]
    lead: str
    stops: tuple[int, ...]
    padding: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, instruction: str) -> Prompt:
        """The prompt of one request. Raises ValueError for a template that drops the request or ends no answer."""
        head, tail, end = _rendered(tokenizer, f"{instruction}\n\nText: {_TEXT}")
        lead = " " if tokenizer.chat_template is None else ""
        before, after = pieces(tokenizer, [head, tail])
        return cls(before, after, lead, _stops(tokenizer, end), int(tokenizer.pad_token_id))

    def answers(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
        """Pieces of each answer, its end included."""
        return [[*found, self.stops[0]] for found in pieces(tokenizer, [f"{self.lead}{text}" for text in texts])]


def instruction_for(labels: Sequence[str], nothing: str | None) -> str:
    """What the model is asked to do; `nothing` is the answer that no label applies, None where one always does."""
    names = BETWEEN.join(labels)
    if nothing is None:
        return f"Classify the text. Answer with exactly one of these labels and nothing else: {names}."
    return (
        f"Which of these labels apply to the text? Answer with the labels that apply, with commas between, "
        f"or with '{nothing}', and nothing else: {names}."
    )


def text_of(item: Item) -> str:
    """An item's text, or both texts of a pair."""
    pair = item.get(PAIR)
    return str(item[TEXT]) if pair is None else f"{item[TEXT]}\nSecond text: {pair}"


def answer_of(labels: Sequence[str], nothing: str | None) -> str:
    """The answer that names these labels."""
    return BETWEEN.join(labels) if labels or nothing is None else nothing


def parse(answer: str, labels: Sequence[str], nothing: str | None) -> tuple[str, ...] | None:
    """The labels that an answer names, in the order of the label space; None for anything that is no such answer.

    White space around names is forgiven, nothing else: no other case, no punctuation, no name twice.
    """
    names = [name.strip() for name in answer.split(",")] if nothing is not None else [answer.strip()]
    if nothing is not None and names == [nothing]:
        return ()
    if len(set(names)) != len(names) or not set(names) <= set(labels):
        return None
    return tuple(label for label in labels if label in names)


def answer_fault(item: Item, name: str, known: Sequence[str] | None) -> str | None:
    """Why the `label` or `labels` of an item cannot be written as an answer, or None; `known`: those allowed."""
    value = item.get(name)
    if value is None:
        return f"there is no {name}; map a column to it with data.columns"
    if name == "labels" and not isinstance(value, list | tuple):
        return f"labels must be a list, got {type(value).__name__}"
    for label in [value] if name == "label" else value:
        fault = label_fault(label)
        if fault is None and known is not None and str(label) not in known:
            fault = f"the label {str(label)!r} is none of task_options.labels"
        if fault:
            return fault
    return None


def unwritable(label: str, nothing: str | None) -> str | None:
    """Why an answer that names this label could not be read, or None."""
    if label != label.strip():
        return "it begins or ends with white space"
    if nothing is not None and "," in label:
        return "commas part labels"
    return "it is also the answer that no label applies (task_options.nothing)" if label == nothing else None


def pieces(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Pieces of each text and no others."""
    found = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=False, return_attention_mask=False)
    ids: list[list[int]] = found["input_ids"]
    return ids


def cut_after(tokenizer: Any, texts: Sequence[str], room: int) -> tuple[list[list[int]], dict[str, NDArray[np.int32]]]:
    """The first `room` pieces of each text, and of each text the counts of what that cuts off.

    Special tokens that occur in a text are read as ordinary characters.
    """
    found = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, return_attention_mask=False)
    words = [encoding.word_ids for encoding in found.encodings or ()]
    lost = [len(set(own[room:]) - set(own[:room])) for own in words]
    cut = np.array([len(ids) > room for ids in found["input_ids"]], dtype=np.int32)
    counts = {"truncated_items": cut, **({"truncated_words": np.array(lost, dtype=np.int32)} if words else {})}
    return [ids[:room] for ids in found["input_ids"]], counts


def _rendered(tokenizer: Any, request: str) -> tuple[str, str, str]:
    """The text before the item's, the text from there to the answer, and what follows an answer."""
    if tokenizer.chat_template is None:
        before, after = request.split(_TEXT)
        return f"{tokenizer.bos_token or ''}{before}", f"{after}\n\nAnswer:", ""
    asked = [{"role": "user", "content": request}]
    answered = [*asked, {"role": "assistant", "content": _ANSWER}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True, date_string=_DATE)
    whole = tokenizer.apply_chat_template(answered, tokenize=False, date_string=_DATE)
    if prompt.count(_TEXT) != 1 or whole.count(_ANSWER) != 1:
        raise ValueError(f"{tokenizer.name_or_path}: its chat template drops or repeats what the user says")
    before, after = prompt.split(_TEXT)
    return before, after, whole.split(_ANSWER)[1]


def _stops(tokenizer: Any, end: str) -> tuple[int, ...]:
    """The special piece that the template puts behind an answer, and the end of text."""
    behind = pieces(tokenizer, [end])[0] if end else []
    first = [piece for piece in behind[:1] if piece in tokenizer.added_tokens_decoder]
    stops = dict.fromkeys([*first, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])])
    if not stops:
        raise ValueError(f"{tokenizer.name_or_path}: nothing ends an answer: there is no end-of-text token")
    return tuple(int(piece) for piece in stops)
