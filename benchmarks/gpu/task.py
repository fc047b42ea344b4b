"""What a section is asked to do: until when, with what, and where its rows go."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu.schedule import Pass

OF_THE_DEVICE = (
    *("CUDA error", "AcceleratorError", "device-side assert", "illegal memory access"),
    "Offset increment outside graph capture",  # what follows a recording that failed
)


class SpoiledDevice(RuntimeError):
    """Nothing more can be measured in this process: the device, as it sees it, is broken."""


@dataclass
class Task:
    """One pass over a section: the first, the second with all of it but what is compiled, the third with that too.

    `done` are the keys of what earlier passes and calls measured, `rows` all their rows.

    `emit` keeps a row; `folder` is scratch space that lives as long as the command. `is_whole` becomes false where the
    time did not suffice.
    """

    section: str
    number: Pass
    seconds: float
    folder: Path
    emit: Callable[[Mapping[str, Any]], None]
    rehearse: bool = False
    done: frozenset[str] = frozenset()
    rows: Sequence[Mapping[str, Any]] = ()
    started: float = field(default_factory=time.monotonic)
    is_whole: bool = True

    def left(self) -> float:
        """Seconds until this pass should be over."""
        return self.seconds - (time.monotonic() - self.started)

    def row(self, key: str, result: str = "measured", **values: Any) -> None:
        """Keep one row of this section."""
        self.emit({"kind": "row", "section": self.section, "key": key, "result": result, **values})

    def wants(self, key: str, least_seconds: float) -> bool:
        """Whether to measure this now: it is not there yet, and there is time; a row says where there is none."""
        if key in self.done:
            return False
        if self.left() >= (min(least_seconds, 1.0) if self.rehearse else least_seconds):
            return True
        self.is_whole = False
        reason = f"takes {least_seconds:.0f} s, and {max(0.0, self.left()):.0f} s were left"
        self.row(key, "left out", reason=reason)
        return False

    @contextmanager
    def attempt(self, key: str) -> Iterator[None]:
        """What fails inside is a row, and the section goes on with what comes next. Raises SpoiledDevice.

        Afterwards nothing of it is left on the device.
        """
        try:
            yield
        except SpoiledDevice:
            raise
        except Exception as error:
            trace = traceback.format_exc()
            self.row(key, "failed", reason=reason_of(error), trace=trace[-1500:])
            if spoils_the_device(f"{type(error).__name__}: {error}"):
                raise SpoiledDevice(key) from error
        release_memory()


def spoils_the_device(text: str) -> bool:
    """Whether an error says that nothing more can be computed in the process that raised it."""
    return any(sign in text for sign in OF_THE_DEVICE)


def reason_of(error: BaseException) -> str:
    """The type of an error and the first line that it says."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line}".rstrip(": ")


def release_memory() -> None:
    """Give back what nobody holds any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
