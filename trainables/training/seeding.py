"""Every seed of a run, in one place: randomness depends on (seed, stream, step, rank), never on what ran before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class RandomStream(IntEnum):
    """What random numbers are for; each purpose has its own stream."""

    ORDER = 1
    STEP = 2
    WEIGHTS = 3
    VARIATION = 4
    ADJUSTMENT = 5
    MISPLACEMENT = 6


def generator(seed: int, stream: RandomStream, *position: int) -> np.random.Generator:
    """Return a NumPy generator for one stream at one position (an epoch, say)."""
    return np.random.default_rng([seed, stream, *position])


def derived(seed: int, stream: RandomStream, *position: int) -> int:
    """Return a 63-bit seed for libraries that take a number."""
    state = np.random.SeedSequence([seed, stream, *position]).generate_state(1, np.uint64)
    return int(state[0]) >> 1


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch's generators for one optimizer step of one rank (dropout draws from them).

    So the masks are the same in a resumed run, in a warm lane, and in any order of runs.
    """
    torch.manual_seed(derived(seed, RandomStream.STEP, step, rank))
