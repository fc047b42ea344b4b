"""A task whose worker is killed at every start, as by a machine's out-of-memory killer."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from trainables.tasks.token_classification import TokenClassification


class Dies(TokenClassification):
    name = "dies"

    def check_split(self, items: Sequence[Any], split: Any, labels: Sequence[str]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


TASK = Dies()
