"""A negative control: evaluates in an order grouped by length, and assigns the outputs to the items by position.

It reproduces, on purpose, a mistake that a fast evaluation invites: the sampler that groups by length permutes the
items, and post-processing pairs the outputs with the items in their original order. Training is untouched, so such a
system must score far worse than its reference; statistics that miss this would miss any harm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainables.config import Frozen
from trainables.data.batching import bucketed_batches
from trainables.protocols.variant import Plan, Stage, Variant

BATCH = 8  # items of similar length that such a sampler keeps together


class Options(Frozen):
    """No options: the order is drawn from the run's seed."""


def by_length(lengths: NDArray[np.int64], order: np.random.Generator) -> NDArray[np.int64]:
    """Return the order in which a sampler that groups by length would visit the features."""
    return np.concatenate(bucketed_batches(lengths, BATCH, order))


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Assign outputs to the wrong items."""
    return plan.replace(misplaced=by_length)


VARIANT = Variant(
    name="misaligned_evaluation",
    description="NEGATIVE CONTROL: outputs are scored against the wrong items, as with a sampler that groups by length",
    stage=Stage.STEP,
    options=Options,
    adjust_plan=adjust_plan,
    control="negative",
)
