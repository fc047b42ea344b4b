"""Has Ray Tune schedule the runs: one thin trial per run, as many at a time as there are lanes."""

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
    """Tune's grid, in order. Not copied, so that the number of trials at a time can follow the lanes."""

    def __deepcopy__(self, memo: Any) -> GridSearch:
        return self


class Waiting(Searcher):
    """Runs in order of arrival, handed out while fewer than `allowed` trials are running."""

    def __init__(self, allowed: int) -> None:
        super().__init__()
        self.allowed = allowed
        self.is_closed = False
        self._runs: deque[ScheduledRun] = deque()
        self._live: set[str] = set()

    def add(self, runs: Iterable[ScheduledRun]) -> None:
        """Add runs; safe from any thread."""
        self._runs.extend(runs)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a text
        """Return the next run; None: ask again; FINISHED: no more will come."""
        closed = self.is_closed  # read first: runs added before closing are still handed out
        if not self._runs:
            return Searcher.FINISHED if closed else None
        if len(self._live) >= self.allowed:
            return None
        self._live.add(trial_id)
        scheduled = self._runs.popleft()
        return {"scheduled": {"run": scheduled.run.run_id, "name": scheduled.name, "resumes": scheduled.resumes}}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Note that a trial ended."""
        self._live.discard(trial_id)


class Queue(SearchGenerator):
    """The generator that Tune needs around `Waiting`. Not copied, so that runs can be added; not saved."""

    def __deepcopy__(self, memo: Any) -> Queue:
        return self

    def save_to_dir(self, dirpath: str, session_str: str = "", **more: Any) -> None:
        """Save nothing: our records decide what is done."""


class WhenOver(Stopper):
    """Ends or blocks Tune when the session says so. Not copied, so that the session can reach it.

    `is_held`: block the thread of Tune that asks, for good.
    """

    def __init__(self) -> None:
        self.is_over = False
        self.is_held = False

    def __deepcopy__(self, memo: Any) -> WhenOver:
        return self

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Never end a trial for its results."""
        return False

    def stop_all(self) -> bool:
        """Return whether to end now."""
        if self.is_held:
            threading.Event().wait()
        return self.is_over


class Tuning:
    """One `Tuner.fit` in a daemon thread. Its state is not needed: our records decide what is done."""

    def __init__(
        self, control: Any, lanes: int, storage: str, name: str, runs: Sequence[ScheduledRun], *, is_open: bool
    ) -> None:
        """`is_open`: runs may be added; otherwise `runs` are a grid that Tune knows from the start."""
        self._control = control
        self._storage = storage
        self._name = name
        self._grid = None if is_open else GridSearch(max_concurrent=lanes)
        self._runs = {scheduled.run.run_id: scheduled for scheduled in runs}
        self._waiting = Waiting(lanes)
        self._waiting.add(runs)
        self._stop = WhenOver()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._fit, name="tune", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether Tune still has trials."""
        return self._thread.is_alive()

    def add(self, runs: Iterable[ScheduledRun], *, last: bool) -> None:
        """Add runs; `last`: no others will follow, and Tune ends with these."""
        self._waiting.add(runs)
        self._waiting.is_closed = last

    def allow(self, lanes: int) -> None:
        """Change how many trials may run at a time."""
        self._waiting.allowed = lanes
        if self._grid is not None:
            self._grid.max_concurrent = lanes

    def end(self, seconds: float) -> None:
        """Have Tune end, and wait for it at most `seconds`."""
        self._stop.is_over = True
        self._thread.join(seconds)

    def hold(self) -> None:
        """Keep Tune from ever calling Ray again, as it otherwise does many times a second."""
        self._stop.is_held = True

    def _fit(self) -> None:
        """Fit. Tune would print its configuration at any verbosity, and stdout is for data."""
        ray_private.TUNE_OUTPUT.get().print = _discard
        try:
            self._tuner().fit()
        except Exception as error:
            self.error = error
            logger.debug("Ray Tune ended early", exc_info=True)

    def _tuner(self) -> tune.Tuner:
        trainable = functools.partial(follow, control=self._control)
        grid = [{"run": run_id, "name": each.name, "resumes": each.resumes} for run_id, each in self._runs.items()]
        return tune.Tuner(
            tune.with_resources(trainable, dict(HEAD)),
            param_space={} if self._grid is None else {"scheduled": tune.grid_search(grid)},
            tune_config=tune.TuneConfig(
                search_alg=self._grid or Queue(self._waiting),
                num_samples=1 if self._grid is not None else -1,
                reuse_actors=True,
                trial_name_creator=lambda trial: str(trial.config["scheduled"]["name"]),
                trial_dirname_creator=lambda trial: "{run}-{resumes}".format(**trial.config["scheduled"]),
            ),
            run_config=tune.RunConfig(
                name=self._name,
                storage_path=self._storage,
                stop=self._stop,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=TRIAL_FAILURES),
            ),
        )


def _discard(*parts: Any, **options: Any) -> None:
    """Replace `print`."""
