"""Prompts for a decoder that writes labels as text, and how it writes them: greedy, a batch at a time.

A prompt uses the model's chat template, or a plain one where it has none; prompts are padded on the left so that all
end alike. Legend: B prompts, P tokens of the longest prompt, N new tokens, W bytes of an answer.
"""

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
    from torch import Tensor
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


@dataclass(frozen=True)
class Writer:
    """What writing needs besides the model; copies of a model share it.

    `width` is the bytes that are kept of an answer: more than any legal answer has, so that cutting cannot make one.
    """

    tokenizer: Any
    stops: tuple[int, ...]
    padding: int
    max_new_tokens: int
    width: int

    def __deepcopy__(self, memo: dict[int, Any]) -> Writer:
        """It is never changed."""
        return self

    def write(self, model: Any, input_ids: Tensor, prompt_length: Tensor) -> Tensor:
        """The answers as UTF-8, uint8 [B, W], zeros behind the end; `input_ids` [B, T] begin with the prompts."""
        import torch

        prompts_BP, mask_BP = self._left_padded(input_ids, prompt_length)
        written = model.generate(input_ids=prompts_BP, attention_mask=mask_BP, generation_config=self.settings())
        answers = self.tokenizer.batch_decode(written[:, prompts_BP.shape[1] :], skip_special_tokens=True)
        return torch.from_numpy(as_bytes(answers, self.width)).to(input_ids.device)

    def settings(self) -> Any:
        """Greedy, whatever the checkpoint recommends for chatting."""
        from transformers import GenerationConfig

        return GenerationConfig(
            max_new_tokens=self.max_new_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            use_cache=True,
            eos_token_id=list(self.stops),
            pad_token_id=self.padding,
        )

    def _left_padded(self, input_ids: Tensor, prompt_length: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        longest = int(prompt_length.max())
        place_BP = torch.arange(longest, device=input_ids.device) - (longest - prompt_length)[:, None]
        real_BP = place_BP >= 0
        return input_ids.gather(1, place_BP.clamp(min=0)).where(real_BP, self.padding), real_BP.long()


def as_bytes(texts: list[str], width: int) -> np.ndarray[Any, Any]:
    """UTF-8 of each text, uint8 [B, W], cut or filled with zeros."""
    rows = [text.encode()[:width].ljust(width, b"\0") for text in texts]
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), width).copy()


def as_text(values: np.ndarray[Any, Any]) -> str:
    """The text of one row; a character that was cut in the middle becomes a replacement character."""
    return bytes(values.astype(np.uint8)).rstrip(b"\0").decode(errors="replace")
