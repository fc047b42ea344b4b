"""Ray Tune schedules the runs: one thin trial a run, as many at a time as there are lanes."""

from __future__ import annotations

import functools
import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ray import tune
from ray.tune.search import Searcher
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.search.search_generator import SearchGenerator
from ray.tune.stopper import Stopper

from orchestrator import ray_private
from orchestrator.executors.lanes.state import ScheduledRun
from orchestrator.executors.ray_lanes.connection import HEAD
from orchestrator.executors.ray_lanes.trial import follow

logger = logging.getLogger(__name__)
TRIAL_FAILURES = 3


class GridSearch(BasicVariantGenerator):
    """Tune's grid in order; it is not copied, so that the number of trials at a time can follow the lanes."""

    def __deepcopy__(self, memo: Any) -> GridSearch:
        return self


class Waiting(Searcher):
    """Runs in the order in which they came, given out while fewer than `allowed` trials are under way."""

    def __init__(self, allowed: int) -> None:
        super().__init__()
        self.allowed = allowed
        self.is_closed = False
        self._tickets: deque[ScheduledRun] = deque()
        self._live: set[str] = set()

    def add(self, tickets: Iterable[ScheduledRun]) -> None:
        """More runs; from any thread."""
        self._tickets.extend(tickets)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a text
        """The next run; None: ask again; FINISHED: none will follow."""
        closed = self.is_closed  # read first: what was added before closing is still given out
        if not self._tickets:
            return Searcher.FINISHED if closed else None
        if len(self._live) >= self.allowed:
            return None
        self._live.add(trial_id)
        ticket = self._tickets.popleft()
        return {"ticket": {"run": ticket.run.run_id, "name": ticket.name, "stint": ticket.stint}}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial is over."""
        self._live.discard(trial_id)


class Queue(SearchGenerator):
    """Tune's side of it. Not copied, so that runs can be added; not saved, for our records decide what is done."""

    def __deepcopy__(self, memo: Any) -> Queue:
        return self

    def save_to_dir(self, dirpath: str, session_str: str = "", **more: Any) -> None:
        """Nothing."""


class WhenOver(Stopper):
    """Ends Tune, or holds it for good, once the session says so; it is not copied, so that the session can.

    `is_held`: the thread that asks stays here.
    """

    def __init__(self) -> None:
        self.is_over = False
        self.is_held = False

    def __deepcopy__(self, memo: Any) -> WhenOver:
        return self

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """No result of a trial ends it."""
        return False

    def stop_all(self) -> bool:
        """Whether to end now."""
        if self.is_held:
            threading.Event().wait()
        return self.is_over


class Tuning:
    """One `Tuner.fit` in a daemon thread. None of its state is needed: our records decide what is done."""

    def __init__(
        self, control: Any, lanes: int, storage: str, name: str, tickets: Sequence[ScheduledRun], *, is_open: bool
    ) -> None:
        """`is_open`: runs may be added; else `tickets` are a grid that Tune knows from the beginning."""
        self._control = control
        self._storage = storage
        self._name = name
        self._grid = None if is_open else GridSearch(max_concurrent=lanes)
        self._tickets = {ticket.run.run_id: ticket for ticket in tickets}
        self._waiting = Waiting(lanes)
        self._waiting.add(tickets)
        self._stop = WhenOver()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._fit, name="tune", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether Tune still has trials."""
        return self._thread.is_alive()

    def add(self, tickets: Iterable[ScheduledRun], *, last: bool) -> None:
        """Runs to do; `last`: no others will follow, and Tune ends with them."""
        self._waiting.add(tickets)
        self._waiting.is_closed = last

    def allow(self, lanes: int) -> None:
        """Change how many trials may run at a time."""
        self._waiting.allowed = lanes
        if self._grid is not None:
            self._grid.max_concurrent = lanes

    def end(self, seconds: float) -> None:
        """Have Tune end, and wait for that no longer than `seconds`."""
        self._stop.is_over = True
        self._thread.join(seconds)

    def hold(self) -> None:
        """Keep Tune from calling Ray ever again: it asks many times a second."""
        self._stop.is_held = True

    def _fit(self) -> None:
        """Tune prints its configuration on stdout at any verbosity, and stdout belongs to data."""
        ray_private.TUNE_OUTPUT.get().print = _unheard
        try:
            self._tuner().fit()
        except Exception as error:
            self.error = error
            logger.debug("Ray Tune ended early", exc_info=True)

    def _tuner(self) -> tune.Tuner:
        trial = functools.partial(follow, control=self._control)
        grid = [{"run": run_id, "name": found.name, "stint": found.stint} for run_id, found in self._tickets.items()]
        return tune.Tuner(
            tune.with_resources(trial, dict(HEAD)),
            param_space={} if self._grid is None else {"ticket": tune.grid_search(grid)},
            tune_config=tune.TuneConfig(
                search_alg=self._grid or Queue(self._waiting),
                num_samples=1 if self._grid is not None else -1,
                reuse_actors=True,
                trial_name_creator=lambda found: str(found.config["ticket"]["name"]),
                trial_dirname_creator=lambda found: "{run}-{stint}".format(**found.config["ticket"]),
            ),
            run_config=tune.RunConfig(
                name=self._name,
                storage_path=self._storage,
                stop=self._stop,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=TRIAL_FAILURES),
            ),
        )


def _unheard(*parts: Any, **options: Any) -> None:
    """In the place of `print`."""
