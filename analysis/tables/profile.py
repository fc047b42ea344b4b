"""The table `profile.parquet`: how fast each system trains and what it needs, one row per system and round.

Every row is a fresh process that trained one system alone; `round` counts the passes over all systems.

- `result`: measured, unsupported (on this machine), out of memory, failed; `reason` says why. Only measured rows
  have numbers.
- `steps`, `batch_size`, `max_length`: what was measured; all systems saw the same items.
- `setup_seconds`, `warmup_seconds`: until the first step, and the steps before the measured ones (including
  compilation).
- `samples_per_second` (features: a long paragraph can give several), `tokens_per_second` (subword tokens of items,
  without padding),
  `step_seconds_p50`, `step_seconds_p95`.
- `peak_memory_gib`: allocated on the GPU, or resident on a CPU; `peak_reserved_gib`: what torch reserved on the GPU.
- `padding_waste`: share of the computed positions that are padding.
- `model_operations_per_second`: matrix products that training on these tokens needs, without recomputation and padding;
  `ceiling_operations_per_second`: the rate of a large matrix product in the same process and precision; their quotient
  is `utilisation` (Chowdhery et al. 2022, arXiv:2204.02311, appendix B, with a measured ceiling).
- `forward_share`, `backward_share`, `optimizer_share`, `host_share`: of a step, timed in separate steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.tables.schema import SCHEMA_VERSION

MEASURED = "measured"
PHASES = ("forward", "backward", "optimizer", "host")
MEASURES = (
    "setup_seconds", "warmup_seconds", "samples_per_second", "tokens_per_second", "step_seconds_p50",
    "step_seconds_p95", "peak_memory_gib", "peak_reserved_gib", "padding_waste", "model_operations_per_second",
    "ceiling_operations_per_second", "utilisation", *(f"{phase}_share" for phase in PHASES),
)  # fmt: skip
TEXTS = (
    "experiment", "system", "model", "recipe", "control", "result", "reason", "precision", "attention", "device",
    "hardware", "torch_version",
)  # fmt: skip
COUNTS = ("round", "steps", "batch_size", "max_length", "parameters", "trainable_parameters", "cpu_threads")
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=name not in ("system", "result")) for name in TEXTS),
        *(pa.field(name, pa.int64(), nullable=name != "round") for name in COUNTS),
        *(pa.field(name, pa.float64()) for name in MEASURES),
    ],
    metadata={b"orchestrate_table": b"profile", b"orchestrate_schema_version": str(SCHEMA_VERSION).encode()},
)
NOISE = 0.1  # warn if the machine's own speed varies by more than this between processes


def to_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table of this schema. Raises ValueError or ArrowInvalid for a wrong column or value."""
    unknown = {name for row in rows for name in row} - set(SCHEMA.names)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: not a column of a profile")
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per system in order of appearance: medians over rounds, and the range of `samples_per_second`.

    Result and reason come from its last round; `rounds` counts the measured rounds.
    """
    systems = rows.groupby("system", sort=False)
    texts = [name for name in (*TEXTS, *COUNTS) if name not in ("system", "round")]
    speed = systems["samples_per_second"]
    medians = systems[texts].last(skipna=False).join(systems[list(MEASURES)].median())
    measured = (rows["result"] == MEASURED).groupby(rows["system"], sort=False).sum()
    spread = {"samples_per_second_min": speed.min(), "samples_per_second_max": speed.max(), "rounds": measured}
    return medians.assign(**spread).reset_index()


def drift(rows: pd.DataFrame) -> float:
    """Return how much the rate of the same matrix product varied between processes: largest over smallest, less 1.

    Computed among systems of one precision, of which the largest counts; 0 for a single process.
    """
    rates = rows.groupby("precision")["ceiling_operations_per_second"]
    ratio = (rates.max() / rates.min() - 1.0).dropna()
    return float(ratio.max()) if len(ratio) else 0.0
