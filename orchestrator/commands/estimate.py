"""A rough idea of time and disk for runs that have not happened: from earlier records, else from a declared model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.commands import _machine
from orchestrator.config.data_check import DataFacts
from orchestrator.config.run_spec import RunSpec
from orchestrator.storage import Store
from trainables import registry
from trainables.system.hardware import training_hardware

# The declared model. Training takes 6 floating-point operations per weight and piece, evaluation 2 (Kaplan et al. 2020,
# arXiv:2001.08361, section 2.1). Rates are what a small encoder reaches on one core with AVX-512 (all its weights
# counted), and a cautious value for a data-centre GPU with such small batches.
TRAIN_OPERATIONS, EVALUATION_OPERATIONS = 6, 2
OPERATIONS_PER_SECOND_AND_CORE = 2.5e11
OPERATIONS_PER_SECOND_AND_GPU = 5e13
UNKNOWN_PARAMETERS = 125_000_000
SHARE_OF_MAXIMUM_LENGTH = 0.4
SECONDS_PER_RUN, SECONDS_TO_START = 1.0, 20.0
BYTES_PER_EVALUATION_ITEM, BYTES_PER_RUN = 200, 50_000
CHECKPOINT_BYTES_PER_PARAMETER, CHECKPOINTS_KEPT = 16, 2
SAVED_BYTES_PER_PARAMETER = 4


@dataclass(frozen=True)
class Estimate:
    """Wall-clock seconds of the pending runs, bytes they leave behind, and bytes of checkpoints while they run.

    `source` says what the time rests on: "earlier records", "a rough model" or both.
    """

    lanes: int
    seconds: float
    result_bytes: int
    checkpoint_bytes: int
    source: str


def estimate(store: Store, pending: Sequence[RunSpec], facts: DataFacts, lanes: int | None) -> Estimate:
    """Estimate what `pending` takes on this machine."""
    devices = len(training_hardware().gpus) or _machine.num_cpus()
    used = max(1, min(lanes or devices, len(pending) or 1))
    measured = _measured(store)
    sources = {"earlier records" if run.settings_id in measured else "a rough model" for run in pending}
    seconds = sum(_seconds(run, facts, measured, used) for run in pending) / used
    largest = max((_parameters(run.config.model.name) for run in pending), default=0)
    return Estimate(
        lanes=used,
        seconds=seconds + SECONDS_TO_START if pending else 0.0,
        result_bytes=len(pending) * (BYTES_PER_RUN + facts.evaluation_items * BYTES_PER_EVALUATION_ITEM)
        + sum(_parameters(run.config.model.name) * SAVED_BYTES_PER_PARAMETER * _models_left(run) for run in pending),
        checkpoint_bytes=largest * CHECKPOINT_BYTES_PER_PARAMETER * CHECKPOINTS_KEPT * used if pending else 0,
        source=" and ".join(sorted(sources)) or "nothing to do",
    )


def _models_left(run: RunSpec) -> int:
    """Models on the disk once the run is over: the best one, and those of the last epochs."""
    return int(run.keep) + min(run.keep_epochs, run.config.train.epochs)


def _measured(store: Store) -> dict[str, float]:
    """Median seconds of the recorded runs, by settings_id."""
    table = store.table("runs")
    if table is None:
        return {}
    frame = table.select(["settings_id", "seconds_total"]).to_pandas().dropna()
    return {
        str(name): float(seconds) for name, seconds in frame.groupby("settings_id")["seconds_total"].median().items()
    }


def _seconds(run: RunSpec, facts: DataFacts, measured: Mapping[str, float], lanes: int) -> float:
    """Seconds of one run while `lanes` of them share the machine."""
    if run.settings_id in measured:
        return measured[run.settings_id]
    train = run.config.train
    facts = facts.adapt if run.stage == "adapt" and facts.adapt is not None else facts
    pieces = train.max_length * SHARE_OF_MAXIMUM_LENGTH
    work = TRAIN_OPERATIONS * facts.train_items + EVALUATION_OPERATIONS * facts.evaluation_items
    operations = work * pieces * train.epochs * _parameters(run.config.model.name)
    num_gpus = len(training_hardware().gpus)
    if num_gpus:
        rate = OPERATIONS_PER_SECOND_AND_GPU * min(1.0, num_gpus / lanes)
    else:
        rate = OPERATIONS_PER_SECOND_AND_CORE * _machine.num_cpus() / lanes
    return SECONDS_PER_RUN + operations / rate


def _parameters(model: str) -> int:
    """Weights as the preset declares them; those of a base encoder where nobody does."""
    if model not in registry.names("model"):
        return UNKNOWN_PARAMETERS
    declared = registry.load("model", model).parameters
    return UNKNOWN_PARAMETERS if declared is None else math.ceil(declared)
