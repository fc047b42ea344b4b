"""What the command measures, in which order, and what still fits into the time that is left; measures nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

Pass = Literal["first", "second", "third"]

SECTIONS = ("correctness", "speed", "several", "grid", "forecast", "recipes")
RESERVED_SECONDS = 5.0  # for ending the last process and writing the page
REHEARSED_LEAST_SECONDS, REHEARSED_FIRST_SECONDS = 4.0, 20.0  # tiny models: every section fits into a minute


@dataclass(frozen=True)
class Step:
    """One pass over one section: quick and valuable first, then in full, at last what has to be compiled.

    It gets at most `most_seconds`, and does not begin with less than `least_seconds`.

    `is_alone`: in a process of its own, because it may leave a process behind that nothing should be measured in.
    """

    section: str
    number: Pass
    most_seconds: float
    least_seconds: float
    is_alone: bool = False

    @property
    def name(self) -> str:
        """`speed, first pass`."""
        return f"{self.section}, {self.number} pass"


STEPS = (
    Step("correctness", "first", 60.0, 20.0, is_alone=True),
    Step("speed", "first", 60.0, 25.0),
    Step("several", "first", 90.0, 45.0),
    Step("grid", "first", 120.0, 40.0),
    Step("forecast", "first", 15.0, 3.0),
    Step("recipes", "second", 40.0, 15.0),
    Step("speed", "second", 120.0, 30.0),
    Step("correctness", "second", 60.0, 20.0, is_alone=True),
    Step("several", "second", 90.0, 45.0),
    Step("grid", "second", 240.0, 30.0),
    Step("forecast", "second", 15.0, 3.0),
    Step("speed", "third", 180.0, 60.0),
    Step("recipes", "third", 180.0, 45.0),
    Step("correctness", "third", 120.0, 30.0, is_alone=True),
)


def chosen(only: Collection[str] | None, done: Collection[str], steps: Sequence[Step] = STEPS) -> tuple[Step, ...]:
    """The steps to take, in order: those of `only` (None: all) without those whose names are `done`.

    A forecast is made anew each time: it compares what is known by then.
    """
    return tuple(
        step
        for step in steps
        if (only is None or step.section in only) and (step.name not in done or step.section == "forecast")
    )


def granted(step: Step, left: float, *, rehearse: bool = False) -> float | None:
    """Seconds that a step may take of the `left` ones; None where it should not begin."""
    usable = left - RESERVED_SECONDS
    least, most = step.least_seconds, step.most_seconds
    if rehearse:
        least = min(least, REHEARSED_LEAST_SECONDS)
        most = min(most, REHEARSED_FIRST_SECONDS) if step.number == "first" else most
    return None if usable < least else min(most, usable)
