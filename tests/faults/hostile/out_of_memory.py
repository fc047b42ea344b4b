"""A task for which the device's memory is never enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainables.tasks.token_classification import TokenClassification


class NeedsMore(TokenClassification):
    name = "needs-more"

    def check_split(self, items: Sequence[Any], split: Any, labels: Sequence[str]) -> None:
        import torch

        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


TASK = NeedsMore()
