"""Every seed of a run, in one place: randomness depends on (seed, purpose, step, rank) and never on what ran before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class RandomStream(IntEnum):
    """What a stream of random numbers is for; two purposes never share a stream."""

    ORDER = 1
    STEP = 2
    WEIGHTS = 3
    VARIATION = 4
    ADJUSTMENT = 5
    MISPLACEMENT = 6


def generator(seed: int, purpose: RandomStream, *position: int) -> np.random.Generator:
    """A NumPy generator for one purpose at one position (an epoch, say)."""
    return np.random.default_rng([seed, purpose, *position])


def derived(seed: int, purpose: RandomStream, *position: int) -> int:
    """A 63-bit seed for libraries that want a number."""
    state = np.random.SeedSequence([seed, purpose, *position]).generate_state(1, np.uint64)
    return int(state[0]) >> 1


def seed_step(seed: int, step: int, rank: int) -> None:
    """Set torch's generators for one optimizer step of one rank (dropout draws from them).

    A resumed run, a warm lane and another order of runs therefore draw the same masks.
    """
    torch.manual_seed(derived(seed, RandomStream.STEP, step, rank))
