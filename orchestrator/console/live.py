"""Shows a sweep while it runs: a live table on a terminal, else one line an event; always on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from orchestrator.console.console import Console, clean, duration
from orchestrator.console.progress import Progress, line
from orchestrator.executors.events import EpochReported, Event, RunStarted

if TYPE_CHECKING:
    from rich.table import Table

REFRESHES_PER_SECOND = 4


@contextlib.contextmanager
def shown(progress: Progress, console: Console) -> Iterator[Callable[[Event], None]]:
    """Gives the function to call with each event. On a terminal the table is kept up to date until the block ends."""
    if console.quiet:
        yield progress.update
    elif sys.stderr.isatty():
        with _live(progress, console) as on_event:
            yield on_event
    else:
        yield _plain(progress, console)


def _plain(progress: Progress, console: Console) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        progress.update(event)
        text = line(event, progress)
        if text is not None:
            console.note(text)

    return on_event


@contextlib.contextmanager
def _live(progress: Progress, console: Console) -> Iterator[Callable[[Event], None]]:
    from rich.console import Console as RichConsole
    from rich.live import Live

    terminal = RichConsole(stderr=True, no_color=console.color is False, highlight=False)
    with Live(console=terminal, refresh_per_second=REFRESHES_PER_SECOND, get_renderable=lambda: _table(progress)):

        def on_event(event: Event) -> None:
            progress.update(event)
            text = line(event, progress)
            if text is not None and not isinstance(event, RunStarted | EpochReported):
                terminal.print(clean(text), markup=False)

        yield on_event


def _table(progress: Progress) -> Table:
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


def _caption(progress: Progress) -> str:
    seconds = progress.seconds_to_go()
    rest = "" if seconds is None else f", about {duration(seconds)} to go"
    dashboard = "" if progress.dashboard is None else f" · {progress.dashboard}"
    return f"{progress.done} of {progress.total} runs{rest}{dashboard}"
