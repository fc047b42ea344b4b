"""Random numbers for faults: when to kill, and what."""

from __future__ import annotations

import os
import random

VARIABLE = "FAULT_SEED"


def generator(repetition: int = 0) -> random.Random:
    """A stream of this session's seed, another one for each repetition; a test that fails shows the seed."""
    seed = int(os.environ[VARIABLE])
    print(f"{VARIABLE}={seed}")  # noqa: T201 - pytest shows it with a failure
    return random.Random(seed + repetition)
