"""A task that crawls until somebody puts a file `<its own name>.gate` beside it.

It computes with one thread, whatever its lane has: that is fastest at this size, and as fast on a busy machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables.tasks.token_classification import TokenClassification

GATE = Path(__file__).with_suffix(".gate")
SECONDS_A_STEP = 0.3


class Waits(TokenClassification):
    name = "waits"

    def check_split(self, items: Sequence[Any], split: Any, labels: Sequence[str]) -> None:
        import torch

        torch.set_num_threads(1)
        super().check_split(items, split, labels)

    def loss(self, outputs: Any, batch: Any) -> Any:
        if not GATE.exists():
            time.sleep(SECONDS_A_STEP)
        return super().loss(outputs, batch)


TASK = Waits()
