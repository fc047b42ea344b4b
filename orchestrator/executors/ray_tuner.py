"""Ray Tune schedules the grid: one thin trial a run, as many at a time as there are lanes."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune
from ray.tune.experimental import output
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.stopper import Stopper

from orchestrator.executors import ray_trial
from orchestrator.executors.ray_cluster import HEAD
from orchestrator.executors.tickets import Ticket

logger = logging.getLogger(__name__)
TRIAL_FAILURES = 3


class Grid(BasicVariantGenerator):
    """Tune's grid in order; it is not copied, so that the number of trials at a time can follow the lanes."""

    def __deepcopy__(self, memo: Any) -> Grid:
        return self


class WhenOver(Stopper):
    """Ends Tune once the session is over; it is not copied, so that the session can say so."""

    def __init__(self) -> None:
        self.is_over = False

    def __deepcopy__(self, memo: Any) -> WhenOver:
        return self

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """No result of a trial ends it."""
        return False

    def stop_all(self) -> bool:
        """Whether to end now."""
        return self.is_over


class Tuning:
    """One `Tuner.fit` in a daemon thread. None of its state is needed: our records decide what is done."""

    def __init__(self, tickets: Sequence[Ticket], control: Any, lanes: int, storage: str, name: str) -> None:
        self._names = {ticket.run.run_id: ticket.name for ticket in tickets}
        self._control = control
        self._storage = storage
        self._name = name
        self._grid = Grid(max_concurrent=lanes)
        self._stop = WhenOver()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._fit, name="tune", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether Tune still has trials."""
        return self._thread.is_alive()

    def allow(self, lanes: int) -> None:
        """Change how many trials may run at a time."""
        self._grid.max_concurrent = lanes

    def end(self, seconds: float) -> None:
        """Have Tune end, and wait for that no longer than `seconds`."""
        self._stop.is_over = True
        self._thread.join(seconds)

    def _fit(self) -> None:
        """Tune prints its configuration on stdout at any verbosity, and stdout belongs to data."""
        output.print = _unheard  # type: ignore[attr-defined]
        try:
            self._tuner().fit()
        except Exception as error:
            self.error = error
            logger.debug("Ray Tune ended early", exc_info=True)

    def _tuner(self) -> tune.Tuner:
        names = self._names  # Tune pickles what these functions refer to, and a thread cannot be pickled
        trial = functools.partial(ray_trial.follow, control=self._control)
        return tune.Tuner(
            tune.with_resources(trial, dict(HEAD)),
            param_space={"run": tune.grid_search(list(names))},
            tune_config=tune.TuneConfig(
                search_alg=self._grid,
                reuse_actors=True,
                trial_name_creator=lambda found: names[found.config["run"]],
                trial_dirname_creator=lambda found: str(found.config["run"]),
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
