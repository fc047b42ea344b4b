"""A run goes on as it began: with the same threads, or anew where its workers, parts or device are others."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from analysis.tables.folder import Folder
from tests.trainables.runs import StopAt, tiny_run
from trainables.config import RunConfig
from trainables.training import control_points
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions, run


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A control point after every step, and one thread to begin with."""
    monkeypatch.setattr(control_points, "INTERVAL_SECONDS", 0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[RunConfig, Folder]:
    """A run that was stopped after its third step, and its checkpoints."""
    config, folder = tiny_run(tmp_path, dropout=0.1), Folder.at(tmp_path / "checkpoints")
    assert run(config, control=StopAt(3), folder=folder).status == "stopped"
    return config, folder


def losses(table: pd.DataFrame) -> pd.DataFrame:
    """What the arithmetic decides of the epochs."""
    return table[["train_loss", "eval_loss", "grad_norm"]]


def rewrite(folder: Folder, **changes: Any) -> None:
    """Let the newest checkpoint say that it was computed otherwise; None takes the key away."""
    newest = folder.child(folder.names()[-1])
    state = json.loads(newest.read("state.json"))
    known = {**state.pop("arithmetic"), **changes}
    state["arithmetic"] = {name: value for name, value in known.items() if value is not None}
    if not state["arithmetic"]:
        del state["arithmetic"]
    data = json.dumps(state).encode()
    newest.write("state.json", data)
    hashes = json.loads(newest.read("manifest.json"))
    newest.write("manifest.json", json.dumps({**hashes, "state.json": hashlib.sha256(data).hexdigest()}).encode())


def test_a_run_goes_on_with_the_threads_that_it_began_with(stopped: tuple[RunConfig, Folder]) -> None:
    config, folder = stopped
    whole = run(config)
    torch.set_num_threads(2)
    resumed = run(config, folder=folder)
    assert resumed.columns["cpu_threads"] == whole.columns["cpu_threads"] == 1
    pd.testing.assert_frame_equal(losses(resumed.epochs), losses(whole.epochs), check_exact=True)
    assert torch.get_num_threads() == 2, "the next run on this lane has its own"
    assert run(config).columns["cpu_threads"] == 2


def test_a_run_in_other_parts_begins_anew_and_says_so(
    stopped: tuple[RunConfig, Folder], caplog: pytest.LogCaptureFixture
) -> None:
    config, folder = stopped
    whole, told = run(config, layout=ComputeOptions(accumulation=2)), StopAt(10**6)
    again = run(config, layout=ComputeOptions(accumulation=2), control=told, folder=folder)
    pd.testing.assert_frame_equal(losses(again.epochs), losses(whole.epochs), check_exact=True)
    assert "checkpoint step-000000003 is not used: its accumulation was 1 and is 2 now" in caplog.text
    assert [row["epoch"] for row in told.rows] == [1, 2, 3]


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ({"workers": 2}, "its workers was 2 and is 1 now"),
        ({"device": "cuda"}, "its device was cuda and is cpu now"),
        ({"threads": 4096}, "it was made by 4096 threads"),
    ],
)
def test_a_checkpoint_of_other_arithmetic_is_passed_over_for_one_that_fits(
    stopped: tuple[RunConfig, Folder], caplog: pytest.LogCaptureFixture, before: dict[str, Any], reason: str
) -> None:
    config, folder = stopped
    run(config, control=StopAt(5), folder=folder)
    rewrite(folder, **before)
    with caplog.at_level(logging.INFO, logger="trainables"):
        resumed = run(config, folder=folder)
    assert f"checkpoint step-000000005 is not used: {reason}" in caplog.text
    assert "going on from step 3" in caplog.text
    pd.testing.assert_frame_equal(losses(resumed.epochs), losses(run(config).epochs), check_exact=True)


def test_a_checkpoint_of_an_earlier_version_is_still_gone_on_from(
    stopped: tuple[RunConfig, Folder], caplog: pytest.LogCaptureFixture
) -> None:
    config, folder = stopped
    rewrite(folder, workers=None, accumulation=None, device=None, threads=None)
    with caplog.at_level(logging.INFO, logger="trainables"):
        run(config, folder=folder)
    assert "going on from step 3" in caplog.text


@dataclass(frozen=True)
class Apart(ProcessGroup):
    """A worker whose fellow sees other files."""

    def gather(self, value: Any) -> list[Any]:
        """The fellow is three steps behind."""
        return [value, value - 3] if isinstance(value, int) else super().gather(value)


def test_ranks_that_find_different_checkpoints_do_not_train(stopped: tuple[RunConfig, Folder]) -> None:
    config, folder = stopped
    with pytest.raises(RuntimeError, match=r"different checkpoints, of steps \[3, 0\]"):
        run(config, folder=folder, group=Apart())
