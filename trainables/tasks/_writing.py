"""Lets a decoder write answers: greedy, a batch at a time, prompts padded on the left so that all end alike.

Legend: B prompts, P pieces of the longest prompt, N new pieces, W bytes of an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


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
