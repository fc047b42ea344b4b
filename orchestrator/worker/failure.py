"""How an attempt at a run ended: why it failed, and how often such a failure is worth another attempt."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

_OF_MEMORY = ("OutOfMemoryError", "can't allocate memory")
_OF_DEVICES = ("CUDA error", "AcceleratorError", "NCCL error", "cuDNN error")


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


def classify(error: BaseException, *, recording: bool = False) -> Failure:
    """The failure that an exception of a run means.

    `recording`: it was raised while the run's results were being written. Only then does an OSError say that they
    cannot be: a connection that broke or a file that is missing elsewhere is the run's own affair.
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
    """How an attempt ended. `status` is the record's, or `failed`, or `stopped`; `recycle` asks for a fresh process.

    `checkpoint` is about stopped runs: whether one was written when the run stopped.
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
