"""The Tune trial: a thin function that asks for a run to be done on a lane and forwards its epochs to Tune.

A file of its own because a trial's process imports it, and should import little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import ray
from ray import tune


def follow(config: Mapping[str, Any], control: Any) -> None:
    """Have the run of `config["ticket"]` done and report its epochs until it ended, whatever its end is.

    What ends this process early says nothing about the run: its lease notices that nobody holds it any more.
    """
    run_id, stint = config["ticket"]["run"], config["ticket"]["stint"]
    ray.get(control.request.remote(run_id))
    reported = 0
    while True:
        rows, ended = ray.get(control.follow.remote(run_id, stint, reported))
        for row in rows:
            tune.report(finite_numbers(row))
        reported += len(rows)
        if ended:
            return


def finite_numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """What a Tune scheduler can compare: it fails on None, and a NaN is never below a threshold."""
    numbers = {name: float(value) for name, value in row.items() if isinstance(value, Real)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
