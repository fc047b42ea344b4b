"""Builds prompts for a decoder that writes labels as text, and lets it write them: greedily, a batch at a time.

A prompt uses the model's chat template, or a plain one if it has none. Prompts are padded on the left, so that all end
at the same position. Legend: B prompts, P tokens of the longest prompt, N new tokens, W bytes of an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.dataset import Item
from trainables.tasks._labels import label_fault
from trainables.tasks._texts import PAIR, TEXT, missing

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


BETWEEN = ", "
_TEXT, _ANSWER = "\u241etext\u241e", "\u241eanswer\u241e"  # placeholders that no template changes
_DATE = "26 Jul 2024"  # Llama's template would insert today's date: the same item would differ from day to day


@dataclass(frozen=True)
class Prompt:
    """Tokens before (`head`) and after (`tail`) an item's text, what leads an answer, and what ends one.

    Training ends an answer with the first of `stops`.
    """

    head: list[int]
    tail: list[int]
    lead: str
    stops: tuple[int, ...]
    padding: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, instruction: str) -> Prompt:
        """Build the prompt of a request. Raises ValueError for a template that drops the request or ends no answer."""
        head, tail, end = _rendered(tokenizer, f"{instruction}\n\nText: {_TEXT}")
        lead = " " if tokenizer.chat_template is None else ""
        before, after = token_ids(tokenizer, [head, tail])
        return cls(before, after, lead, _stops(tokenizer, end), int(tokenizer.pad_token_id))

    def answers(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each answer, its end included."""
        return [[*ids, self.stops[0]] for ids in token_ids(tokenizer, [f"{self.lead}{text}" for text in texts])]


def instruction_for(labels: Sequence[str], nothing: str | None) -> str:
    """Return the request to the model. `nothing` is the answer for "no label applies"; None if one always applies."""
    names = BETWEEN.join(labels)
    if nothing is None:
        return f"Classify the text. Answer with exactly one of these labels and nothing else: {names}."
    return (
        f"Which of these labels apply to the text? Answer with the labels that apply, with commas between, "
        f"or with '{nothing}', and nothing else: {names}."
    )


def text_of(item: Item) -> str:
    """Return an item's text, or both texts of a pair."""
    pair = item.get(PAIR)
    return str(item[TEXT]) if pair is None else f"{item[TEXT]}\nSecond text: {pair}"


def answer_of(labels: Sequence[str], nothing: str | None) -> str:
    """Return the answer that names these labels."""
    return BETWEEN.join(labels) if labels or nothing is None else nothing


def parse(answer: str, labels: Sequence[str], nothing: str | None) -> tuple[str, ...] | None:
    """Return the labels that an answer names, in the order of the label space; None if it is not such an answer.

    White space around names is ignored. Other case, punctuation and repeated names are not accepted.
    """
    names = [name.strip() for name in answer.split(",")] if nothing is not None else [answer.strip()]
    if nothing is not None and names == [nothing]:
        return ()
    if len(set(names)) != len(names) or not set(names) <= set(labels):
        return None
    return tuple(label for label in labels if label in names)


def answer_fault(item: Item, name: str, known: Sequence[str] | None) -> str | None:
    """Return why an item's `label` or `labels` cannot be written as an answer, or None. `known`: allowed labels."""
    value = item.get(name)
    if value is None:
        return missing(item, name)
    if name == "labels" and not isinstance(value, list | tuple):
        return f"labels must be a list, got {type(value).__name__}"
    for label in [value] if name == "label" else value:
        fault = label_fault(label)
        if fault is None and known is not None and str(label) not in known:
            fault = f"the label {str(label)!r} is not in task_options.labels"
        if fault:
            return fault
    return None


def unwritable(label: str, nothing: str | None) -> str | None:
    """Return why an answer that names this label could not be parsed, or None."""
    if label != label.strip():
        return "it begins or ends with white space"
    if nothing is not None and "," in label:
        return "commas separate labels"
    return "it also means that no label applies (task_options.nothing)" if label == nothing else None


def token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the tokens of each text, without any special ones around it."""
    encoded = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=False, return_attention_mask=False)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def cut_after(tokenizer: Any, texts: Sequence[str], room: int) -> tuple[list[list[int]], dict[str, NDArray[np.int32]]]:
    """Return the first `room` tokens of each text, and per text counts of what that cuts off.

    Special tokens that occur in a text are read as ordinary characters.
    """
    encoded = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, return_attention_mask=False)
    words = [encoding.word_ids for encoding in encoded.encodings or ()]
    lost = [len(set(own[room:]) - set(own[:room])) for own in words]
    cut = np.array([len(ids) > room for ids in encoded["input_ids"]], dtype=np.int32)
    counts = {"truncated_items": cut, **({"truncated_words": np.array(lost, dtype=np.int32)} if words else {})}
    return [ids[:room] for ids in encoded["input_ids"]], counts


def _rendered(tokenizer: Any, request: str) -> tuple[str, str, str]:
    """Return the text before the item's, the text from there to the answer, and the text after an answer."""
    if tokenizer.chat_template is None:
        before, after = request.split(_TEXT)
        return f"{tokenizer.bos_token or ''}{before}", f"{after}\n\nAnswer:", ""
    asked = [{"role": "user", "content": request}]
    answered = [*asked, {"role": "assistant", "content": _ANSWER}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True, date_string=_DATE)
    whole = tokenizer.apply_chat_template(answered, tokenize=False, date_string=_DATE)
    if prompt.count(_TEXT) != 1 or whole.count(_ANSWER) != 1:
        raise ValueError(f"{tokenizer.name_or_path}: its chat template drops or repeats messages")
    before, after = prompt.split(_TEXT)
    return before, after, whole.split(_ANSWER)[1]


def _stops(tokenizer: Any, end: str) -> tuple[int, ...]:
    """Return the special token that the template puts after an answer, and the end-of-text token."""
    following = token_ids(tokenizer, [end])[0] if end else []
    first = [token for token in following[:1] if token in tokenizer.added_tokens_decoder]
    stops = dict.fromkeys([*first, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])])
    if not stops:
        raise ValueError(f"{tokenizer.name_or_path}: nothing ends an answer: it has no end-of-text token")
    return tuple(int(token) for token in stops)


@dataclass(frozen=True)
class Writer:
    """What a model needs to write answers; copies of the model share it.

    `width` is the number of bytes kept of an answer: more than any valid answer has, so that cutting cannot make an
    invalid answer valid.
    """

    tokenizer: Any
    stops: tuple[int, ...]
    padding: int
    max_new_tokens: int
    width: int

    def __deepcopy__(self, memo: dict[int, Any]) -> Writer:
        """Return itself: a writer never changes."""
        return self

    def write(self, model: Any, input_ids: Tensor, prompt_length: Tensor) -> Tensor:
        """Return the answers as UTF-8, uint8 [B, W], padded with zeros; `input_ids` [B, T] begin with the prompts."""
        import torch

        prompts_BP, mask_BP = self._left_padded(input_ids, prompt_length)
        written = model.generate(input_ids=prompts_BP, attention_mask=mask_BP, generation_config=self.settings())
        answers = self.tokenizer.batch_decode(written[:, prompts_BP.shape[1] :], skip_special_tokens=True)
        return torch.from_numpy(as_bytes(answers, self.width)).to(input_ids.device)

    def settings(self) -> Any:
        """Return settings for greedy decoding, whatever the checkpoint recommends."""
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
        position_BP = torch.arange(longest, device=input_ids.device) - (longest - prompt_length)[:, None]
        real_BP = position_BP >= 0
        return input_ids.gather(1, position_BP.clamp(min=0)).where(real_BP, self.padding), real_BP.long()


def as_bytes(texts: list[str], width: int) -> np.ndarray[Any, Any]:
    """Return each text as UTF-8, uint8 [B, W], cut or padded with zeros."""
    rows = [text.encode()[:width].ljust(width, b"\0") for text in texts]
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), width).copy()


def as_text(values: np.ndarray[Any, Any]) -> str:
    """Return the text of one row; a character that was cut in half becomes a replacement character."""
    return bytes(values.astype(np.uint8)).rstrip(b"\0").decode(errors="replace")
