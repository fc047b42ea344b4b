"""A task that raises on rank 1 only, in the middle of a step, while rank 0 waits for it inside a collective."""

from __future__ import annotations

import os
from typing import Any

from trainables.tasks.token_classification import TokenClassification


class RaisesAlone(TokenClassification):
    name = "raises-alone"

    def loss(self, outputs: Any, batch: Any) -> Any:
        if os.environ.get("RANK") == "1":
            raise ArithmeticError("rank 1 is alone with this")
        return super().loss(outputs, batch)


TASK = RaisesAlone()
