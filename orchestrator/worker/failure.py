"""How an attempt at a run ended: why it failed, and how often a run with such a failure is tried."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

_OF_MEMORY = ("OutOfMemoryError", "can't allocate memory")
_OF_DEVICES = ("CUDA error", "AcceleratorError", "NCCL error", "cuDNN error")


class Failure(Enum):
    """A kind of failure: its meaning, and the most attempts that a run with it gets (None: as many as any run)."""

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
        """The name in events and attempts, e.g. out_of_memory."""
        return self.name.lower()

    @property
    def spoils_the_process(self) -> bool:
        """Whether the process must not compute another run, because its memory or its device may be broken."""
        return self in (Failure.OUT_OF_MEMORY, Failure.DEVICE)


def classify(error: BaseException, *, recording: bool = False) -> Failure:
    """Return the kind of failure that an exception of a run means.

    `recording`: it was raised while the run's results were being written. Only then does an OSError mean that they
    cannot be written: otherwise a broken connection or a missing file is the run's own failure.
    """
    from analysis.tables.folder import LinkedOutside
    from orchestrator.errors import EnvironmentProblem, UserError
    from trainables.data.dataset import DataError
    from trainables.modeling.pretrained import ModelError
    from trainables.modeling.saved_model import NotSaved
    from trainables.protocols.variant import NoEffect
    from trainables.registry import UnknownName
    from trainables.system.private_parts import PrivatePartMissing

    text = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM or _has(text, _OF_MEMORY):
        return Failure.OUT_OF_MEMORY
    if _has(text, _OF_DEVICES):
        return Failure.DEVICE
    if isinstance(error, EnvironmentProblem | LinkedOutside) or (recording and isinstance(error, OSError | UserError)):
        return Failure.STORAGE
    of_settings = UserError | DataError | ModelError | NotSaved | NoEffect | UnknownName | PrivatePartMissing
    if isinstance(error, of_settings):
        return Failure.DATA
    return Failure.CRASHED


def _has(text: str, words: Sequence[str]) -> bool:
    return any(word in text for word in words)


@dataclass(frozen=True)
class Finished:
    """How an attempt ended. `status` is that of the record, or `failed` or `stopped`; `recycle` asks for a new process.

    `checkpoint` matters for stopped runs: whether one was written when the run stopped.
    """

    run_id: str
    attempt: int
    status: str
    score: float | None = None
    error: str | None = None
    failure: str | None = None
    retriable: bool = False
    recycle: bool = False
    seconds: float = 0.0
    checkpoint: bool = True
