"""How much work lanes are laid out for: all of the experiment's, so that what is left of it is computed as it began.

Threads and the number of workers show in a result's last digits, and may not depend on what happens to be pending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.config.run_spec import RunSpec


@dataclass(frozen=True)
class Scale:
    """`runs`: how many there are, those with a record included; `batch_size`: the smallest global batch of any."""

    runs: int
    batch_size: int

    @classmethod
    def of(cls, runs: Iterable[RunSpec]) -> Scale:
        """The scale of these runs, at least one; those that this machine does not support do not count.

        Twins count once: winners of a search are the same run where only a searched setting told their systems apart.
        """
        sizes = {run.run_id: run.config.train.batch_size for run in runs if run.unsupported is None}
        return cls(len(sizes), min(sizes.values()))
