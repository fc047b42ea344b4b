"""What the gauges say is what the allocator counts; a device that is full costs a run, and leaves nothing behind."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.config.run_spec import RunSpec
from orchestrator.executors.events import EpochReported, Event, RunFailed, RunFinished
from orchestrator.executors.in_process import InProcess
from orchestrator.executors.ray_lanes.memory_leak import Memory
from orchestrator.storage import Store
from tests.gpu.comparing import CURVE
from tests.trainables.runs import tiny_run
from trainables.config import RunConfig
from trainables.data import batch_loader
from trainables.data.batch_loader import BatchLoader
from trainables.data.load import fingerprint
from trainables.system.hardware import hardware_name
from trainables.system.memory import GIB, peak_memory_gib, reset_peak_memory, return_freed_memory
from trainables.training.distributed import ProcessGroup
from trainables.training.run import run
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]  # of other versions than those we are tested with
QUARTER = GIB // 4
SCARCE = GIB // 8  # what a process may take beyond what it has
NO_COUNTER = "a processor has no allocator that counts"


def allocated(device: torch.device) -> int:
    """Bytes of live tensors on a CUDA device; 0 on a processor, which does not count them."""
    gc.collect()
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def test_the_gauge_sees_the_largest_memory_since_it_was_reset(device: torch.device) -> None:
    return_freed_memory()
    reset_peak_memory(device)
    before = peak_memory_gib(device)
    held = torch.ones(QUARTER, dtype=torch.uint8, device=device)
    del held
    assert peak_memory_gib(device) - before == pytest.approx(QUARTER / GIB, rel=0.1)
    return_freed_memory()
    reset_peak_memory(device)
    assert peak_memory_gib(device) - before == pytest.approx(0.0, abs=0.05)


def test_the_peak_of_a_run_is_that_of_the_allocator(device: torch.device, place: Path) -> None:
    if device.type != "cuda":
        pytest.skip(NO_COUNTER)
    columns = run(tiny_run(place), group=ProcessGroup(device=device)).columns
    statistics = torch.cuda.memory_stats(device)
    assert columns["peak_memory_gib"] * GIB == statistics["allocated_bytes.all.peak"]
    assert allocated(device) < statistics["allocated_bytes.all.peak"] <= statistics["reserved_bytes.all.peak"]


def test_memory_that_a_run_leaves_behind_on_the_device_is_a_leak(device: torch.device) -> None:
    if device.type != "cuda":
        pytest.skip(NO_COUNTER)
    memory, cache = Memory(device), RunCache()
    assert memory.leak(cache) is None
    held = torch.ones(max(GIB, allocated(device)), dtype=torch.uint8, device=device)
    assert "device memory grew" in str(memory.leak(cache))
    del held
    assert memory.leak(cache) is None


def test_columns_of_small_data_lie_on_the_device_and_give_the_batches_of_the_host(
    device: torch.device, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = prepare(tiny_run(place), torch.device("cpu"), RunCache()).parts["train"]
    before = allocated(device)
    there = BatchLoader(part.features, device)
    taken = allocated(device) - before
    monkeypatch.setattr(batch_loader, "DEVICE_SHARE", 0.0)
    elsewhere = BatchLoader(part.features, device)
    again = allocated(device) - before - taken
    for first in range(0, len(part.loader.lengths), 8):
        rows = part.loader.lengths.argsort()[first : first + 8]
        for served in (there.batch(rows), elsewhere.batch(rows)):
            assert {tensor.device for tensor in served.values()} == {device}
            for row, ids in zip(rows, served["input_ids"].cpu(), strict=True):
                pieces = part.features.columns["input_ids"].row(row)
                assert ids[: len(pieces)].tolist() == pieces.tolist()
            for name, expected in part.loader.batch(rows).items():
                assert torch.equal(served[name].cpu(), expected), name
    if device.type == "cuda":
        bytes_of_columns = sum(ragged.values.nbytes for ragged in part.features.columns.values())
        assert taken >= bytes_of_columns
        assert again == 0


def test_the_columns_of_a_run_name_the_device_and_its_own_clock(device: torch.device, place: Path) -> None:
    columns = run(tiny_run(place), group=ProcessGroup(device=device)).columns
    assert columns["device"] == device.type
    assert columns["hardware"] == hardware_name(device.type)
    if device.type == "cuda":
        assert torch.cuda.get_device_name(device).startswith(columns["hardware"])
    steps = 9
    assert 0 < columns["step_seconds_p50"] * steps / 2 < columns["seconds_train"] <= columns["seconds_total"]
    assert columns["samples_per_second"] == pytest.approx(3 * columns["train_items"] / columns["seconds_train"])


@contextmanager
def scarce_memory(device: torch.device) -> Iterator[None]:
    """This process may take little more than it has: of the device's memory, or of addresses on a processor."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(device) + SCARCE) / total, device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        return
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SCARCE, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def spec_of(config: RunConfig) -> RunSpec:
    """The run as a cell of a grid."""
    data = config.data.model_copy(update={"fingerprint": fingerprint(config.data)})
    model = config.model.model_copy(update={"revision": "0" * 40})
    config = config.model_copy(update={"data": data, "model": model})
    return RunSpec(experiment="memory", system="tiny", recipe="default", config=config, metric="weighted_f1")


def executed(out: Path, device: torch.device, *runs: RunSpec) -> list[Event]:
    """What is told while these runs are executed in this process."""
    events: list[Event] = []
    InProcess(Store.open(out), group=ProcessGroup(device=device)).execute(runs, events.append)
    return events


def reported(events: list[Event], run: RunSpec) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The curves that were told of a run, [epochs, columns]."""
    rows = [event.row for event in events if isinstance(event, EpochReported) and event.run_id == run.run_id]
    return np.array([[row[name] for name in CURVE] for row in rows])


def test_a_run_that_is_too_large_is_out_of_memory_leaves_nothing_behind_and_the_next_one_is_right(
    device: torch.device, place: Path, tmp_path: Path
) -> None:
    good = spec_of(tiny_run(place))
    padded: dict[str, Any] = {"variants": {"pad_to_max": {}}, "max_length": 512, "batch_size": 96}
    too_large = spec_of(tiny_run(place, count=128, **padded))
    alone = executed(tmp_path / "alone", device, good)
    before = allocated(device)
    with scarce_memory(device):
        failed = executed(tmp_path / "store", device, too_large)
    after = executed(tmp_path / "store", device, good)
    told = [(event.kind, event.will_retry) for event in failed if isinstance(event, RunFailed)]
    assert told == [("out_of_memory", True), ("out_of_memory", False)], failed[-1]
    attempts = Store.open(tmp_path / "store").attempts(too_large.run_id)
    assert [(attempt.status, attempt.kind) for attempt in attempts] == [("failed", "out_of_memory")] * 2
    assert [event.status for event in after if isinstance(event, RunFinished)] in (["completed"], ["collapsed"])
    difference = float(np.max(np.abs(reported(after, good) - reported(alone, good))))
    assert difference == 0.0, f"the run after it differs by up to {difference:.3g}"
    left = allocated(device) - before
    assert left == 0, f"{left} bytes more than before are taken on the device"
