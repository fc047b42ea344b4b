"""The Tune trial: a thin function that requests a run from the lanes and forwards its epochs to Tune.

It has a file of its own because a trial's process imports it and should import little else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import ray
from ray import tune


def follow(config: Mapping[str, Any], control: Any) -> None:
    """Request the run of `config["scheduled"]` and report its epochs until it ends, however it ends.

    If this process ends early, that means nothing for the run: the scheduler notices that its trial is gone.
    """
    run_id, resumes = config["scheduled"]["run"], config["scheduled"]["resumes"]
    ray.get(control.request.remote(run_id))
    reported = 0
    while True:
        rows, ended = ray.get(control.follow.remote(run_id, resumes, reported))
        for row in rows:
            tune.report(finite_numbers(row))
        reported += len(rows)
        if ended:
            return


def finite_numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite numbers of a row: Tune fails on None, and a NaN is never below a threshold."""
    numbers = {name: float(value) for name, value in row.items() if isinstance(value, Real)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
