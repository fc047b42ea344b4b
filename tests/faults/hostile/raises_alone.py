"""A task that raises once, on rank 1 only, in the middle of a step, while rank 0 waits for it inside a collective.

It crawls until somebody puts a file `<its own name>.gate` beside it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from trainables.tasks.token_classification import TokenClassification

RAISED = Path(__file__).with_suffix(".raised")
GATE = Path(__file__).with_suffix(".gate")
SECONDS_A_STEP = 0.3


class RaisesAlone(TokenClassification):
    name = "raises-alone"

    def loss(self, outputs: Any, batch: Any) -> Any:
        if os.environ.get("RANK") == "1" and not RAISED.exists():
            RAISED.touch()
            raise ArithmeticError("rank 1 is alone with this")
        if not GATE.exists():
            time.sleep(SECONDS_A_STEP)
        return super().loss(outputs, batch)


TASK = RaisesAlone()
