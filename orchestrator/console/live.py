"""Shows the progress of a sweep on stderr: a live table on a terminal, or else one line per event."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.commands.events import Event, ExecutionEnded, ExecutionStarted, Listener, Message
from orchestrator.console.console import Console, clean
from orchestrator.console.progress import SweepProgress, line
from orchestrator.executors.events import RunStarted
from orchestrator.units import duration

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

REFRESHES_PER_SECOND = 4


@contextlib.contextmanager
def shown(console: Console) -> Iterator[Listener]:
    """Yield a listener that shows what a command does; it releases the terminal when the block ends."""
    screen = _Screen(console)
    try:
        yield screen
    finally:
        screen.close()


class _Screen:
    """Counts the events of each execution and shows them: in a live table on a terminal, or else as lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = SweepProgress((), {})
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Message):
            self._console.note(event.text)
        elif isinstance(event, ExecutionStarted):
            self._begin(event)
        elif isinstance(event, ExecutionEnded):
            self.close()
        else:
            self._progress.update(event)
            self._show(event)

    def close(self) -> None:
        """End the table if one is shown."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self, event: ExecutionStarted) -> None:
        self._progress = SweepProgress(event.runs, event.recorded)
        if not self._console.quiet and sys.stderr.isatty():
            self._live = _live(self._progress, self._console)
            self._live.start()

    def _show(self, event: Event) -> None:
        text = None if self._console.quiet else line(event, self._progress)
        if text is None:
            return
        if self._live is None:
            self._console.note(text)
        elif not isinstance(event, RunStarted):
            self._live.console.print(clean(text), markup=False)


def _live(progress: SweepProgress, console: Console) -> Live:
    from rich.console import Console as RichConsole
    from rich.live import Live

    terminal = RichConsole(stderr=True, no_color=console.color is False, highlight=False)
    return Live(console=terminal, refresh_per_second=REFRESHES_PER_SECOND, get_renderable=lambda: _table(progress))


def _table(progress: SweepProgress) -> Table:
    from rich.table import Table
    from rich.text import Text

    metric = next(iter(progress.runs.values())).metric if progress.runs else "score"
    table = Table(box=None, pad_edge=False, caption=_caption(progress), caption_justify="left")
    has_rungs = any(system.rungs for system in progress.systems.values())
    for name in ("system", "done", "running", "failed", "pending", f"best {metric}", *(["at epoch"] * has_rungs)):
        table.add_column(name, justify="left" if name in ("system", "at epoch") else "right")
    for name, system in progress.systems.items():
        best = "-" if system.best is None else f"{system.best:.4f}"
        counts = (system.done, len(system.running), system.failed, system.pending)
        rungs = " ".join(f"{epoch}:{len(trials)}" for epoch, trials in system.rungs.items())
        table.add_row(Text(clean(name)), *map(str, counts), best, *([rungs] * has_rungs))
    return table


def _caption(progress: SweepProgress) -> str:
    seconds = progress.seconds_to_go()
    rest = "" if seconds is None else f", about {duration(seconds)} to go"
    dashboard = "" if progress.dashboard is None else f" · {progress.dashboard}"
    return f"{progress.done} of {progress.total} runs{rest}{dashboard}"
