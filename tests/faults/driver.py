"""`orchestrate sweep` or `search` in a process group of its own, to be watched and hit from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pandas as pd
import psutil

from orchestrator.config.load import load
from orchestrator.config.resolve import grid_runs, resolve
from orchestrator.config.run_spec import RunSpec
from orchestrator.executors.in_process import InProcess
from orchestrator.storage import Store
from tests.orchestrator.executors.scene import HOSTILE, tables
from tests.orchestrator.experiments import write_experiment

PATIENCE_SECONDS = 120.0
EPOCHS = 20


class Driver(AbstractContextManager["Driver"]):
    """The command on an experiment. Leaving the context kills what is still there."""

    def __init__(
        self, experiment: Path, out: Path, *more: str, verb: str = "sweep", temporary: Path | None = None
    ) -> None:
        """`temporary`: where its temporary files go, instead of the usual place."""
        command = [sys.executable, "-m", "orchestrator", verb, str(experiment), "--out", str(out), "--no-analyze"]
        self._process = subprocess.Popen(
            [*command, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=os.environ if temporary is None else {**os.environ, "TMPDIR": str(temporary)},
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(PATIENCE_SECONDS)

    @property
    def output(self) -> str:
        """What it has said so far."""
        return "".join(self._lines)

    def wait_for(self, words: str, times: int = 1) -> None:
        """Until it has said so that many times."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.output.count(words) < times:
            assert self._process.poll() is None or self._reader.is_alive(), self.output
            assert time.monotonic() < deadline, f"not in time: {words}\n{self.output}"
            time.sleep(0.02)

    @property
    def process(self) -> psutil.Process:
        """The command's own."""
        return psutil.Process(self._process.pid)

    def family(self) -> list[psutil.Process]:
        """Every process below it."""
        return self.process.children(recursive=True)

    def folder(self) -> Path:
        """Where its private cluster keeps its files: the reaper, which removes them, was told."""
        reaper = next(
            found.cmdline() for found in self.family() if "orchestrator.executors.ray_lanes.reaper" in found.cmdline()
        )
        return Path(reaper[-1])

    def hit(self, number: signal.Signals) -> None:
        """Signal its process group, as a terminal or `timeout` does."""
        os.killpg(self._process.pid, number)

    def lose_head(self) -> None:
        """Kill the control service of its private cluster."""
        self._kill("gcs_server")

    def lose_node(self) -> None:
        """Kill its own node, of which its private cluster has no other."""
        self._kill("raylet")

    def end(self) -> int:
        """Its exit code, once it has ended by itself."""
        code = self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code

    def _kill(self, program: str) -> None:
        next(process for process in self.family() if process.name().startswith(program)).kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            self._lines.extend(stream)


@dataclass(frozen=True)
class Scene:
    """An experiment of three runs that crawl until the gate is open, and the tables they leave undisturbed."""

    folder: Path

    @property
    def experiment(self) -> Path:
        return self.folder / "tiny.yaml"

    @property
    def runs(self) -> Sequence[RunSpec]:
        return grid_runs(resolve(load(str(self.experiment))))

    def open_gate(self) -> None:
        (self.folder / "waits.gate").touch()

    def close_gate(self) -> None:
        (self.folder / "waits.gate").unlink(missing_ok=True)


def prepare(folder: Path) -> Scene:
    """Write the experiment, and execute it once in this process."""
    task = shutil.copy(HOSTILE / "waits.py", folder)
    train = {"epochs": EPOCHS, "batch_size": 4}
    write_experiment(folder, task=str(task), models={"tiny": {"path": "model"}}, seeds="1-3", train=train)
    scene = Scene(folder)
    scene.open_gate()
    InProcess(Store.open(folder / "clean"), threads=1).execute(scene.runs, lambda event: None)
    return scene


def assert_as_undisturbed(scene: Scene, out: Path) -> None:
    """Every cell has one record, equal to that of the undisturbed execution outside the volatile columns."""
    store, clean = Store.open(out), Store.open(scene.folder / "clean")
    assert set(store.recorded()) == {run.run_id for run in scene.runs}
    theirs = tables(clean)
    for kind, ours in tables(store).items():
        pd.testing.assert_frame_equal(ours, theirs[kind], check_exact=True, check_dtype=False)


def assert_gone(processes: Sequence[psutil.Process]) -> None:
    """Neither a driver nor a head that ends, however it ends, leaves a process of Ray."""
    _, left = psutil.wait_procs(processes, timeout=30)
    assert left == []
