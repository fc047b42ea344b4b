"""Why an attempt at a run failed, and how often such a failure is worth another attempt."""

from __future__ import annotations

from enum import Enum


class Failure(Enum):
    """What it means, and the most attempts a run with this failure gets (None: as many as any run gets)."""

    CRASHED = ("the worker raised", None)
    LOST = ("the worker or its node went away", None)
    STALLED = ("the worker made no progress", None)
    DEVICE = ("the device reported an error", None)
    OUT_OF_MEMORY = ("the device ran out of memory", 2)
    DATA = ("data or settings cannot be used", 1)
    STORAGE = ("results cannot be written", 1)

    def __init__(self, meaning: str, most_attempts: int | None) -> None:
        self.meaning = meaning
        self.most_attempts = most_attempts

    @property
    def word(self) -> str:
        """As it stands in events and attempts: out_of_memory."""
        return self.name.lower()

    @property
    def spoils_the_process(self) -> bool:
        """Whether the process should not compute another run: its memory or its device is in doubt."""
        return self in (Failure.OUT_OF_MEMORY, Failure.DEVICE)


def classify(error: BaseException) -> Failure:
    """The failure that an exception of a run means."""
    from orchestrator.errors import EnvironmentProblem
    from trainables.engine.corpus import DataError
    from trainables.engine.folder import LinkedOutside
    from trainables.engine.models import ModelError
    from trainables.engine.saved import NotSaved
    from trainables.engine.variant import WouldDoNothing
    from trainables.registry import UnknownName

    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or "OutOfMemoryError" in text or "can't allocate memory" in text:
        return Failure.OUT_OF_MEMORY
    if "CUDA error" in text or "AcceleratorError" in text or "NCCL error" in text:
        return Failure.DEVICE
    if isinstance(error, DataError | ModelError | NotSaved | WouldDoNothing | UnknownName):
        return Failure.DATA
    if isinstance(error, EnvironmentProblem | LinkedOutside | OSError):
        return Failure.STORAGE
    return Failure.CRASHED
