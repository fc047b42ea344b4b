"""Makes the executor of a sweep: its layout as the command line says, else the experiment file, and its provenance."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from orchestrator.commands._provenance import collect
from orchestrator.config.resolve import Resolved
from orchestrator.errors import UserError
from orchestrator.executors import Executor
from orchestrator.executors.lanes.policy import Limits
from orchestrator.storage import Store

if TYPE_CHECKING:
    from orchestrator.executors.torchrun import Ranks

Value = TypeVar("Value")

_TOLD_BY_TORCHRUN = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


def is_one_of_several() -> bool:
    """Whether torchrun, or a launcher like it, started this process as one of those that compute together."""
    return os.environ.keys() >= _TOLD_BY_TORCHRUN and int(os.environ["WORLD_SIZE"]) > 1


def refuse_torchrun() -> None:
    """Raise UserError where torchrun started several processes for a verb that starts its own."""
    if is_one_of_several():
        raise UserError(
            "torchrun is for one run (`orchestrate run`); sweep and search start their workers: --workers N"
        )


@dataclass(frozen=True)
class LayoutOptions:
    """What the command line says about the layout; None leaves it to the experiment file."""

    in_process: bool = False
    workers: int | None = None
    lanes: int | None = None
    address: str | None = None
    stall_seconds: float | None = None
    attempts: int | None = None

    def limits(self) -> Limits:
        """The bounds that keep a sweep from trying forever."""
        limits = Limits()
        if self.stall_seconds is not None:
            limits = replace(limits, stall_seconds=self.stall_seconds)
        return limits if self.attempts is None else replace(limits, attempts_per_run=self.attempts)


def executor_for(store: Store, resolved: Resolved, options: LayoutOptions, ranks: Ranks | None = None) -> Executor:
    """In this process, with other `ranks` if there are any, or on Ray lanes; Ray and torch are imported only now."""
    from trainables.training.run import Layout

    resources, provenance = resolved.experiment.resources, collect(resolved.folder)
    layout = Layout(resources.accumulation, resources.checkpoint_minutes * 60)
    if options.in_process:
        from orchestrator.executors.in_process import InProcess

        return InProcess(store, limits=options.limits(), run_layout=layout, provenance=provenance, ranks=ranks)
    from orchestrator.executors.ray_lanes.executor import RayLanes

    return RayLanes(
        store,
        lanes=options.lanes or _chosen(resources.lanes),
        workers_per_run=options.workers or resources.workers_per_run,
        gpus_per_worker=_chosen(resources.gpus_per_worker),
        address=options.address,
        limits=options.limits(),
        run_layout=layout,
        provenance=provenance,
    )


def _chosen(value: Value | Literal["auto"]) -> Value | None:
    return None if value == "auto" else value
