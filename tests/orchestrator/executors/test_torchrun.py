"""`torchrun -m orchestrator run`: its processes train one run together, and rank 0 alone prints and records."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.storage import Attempt, Store
from tests.orchestrator.executors.scene import HOSTILE
from tests.orchestrator.experiments import write_experiment
from tests.processes import in_processes

WORKERS = 2
SETTINGS = {
    "models": {"tiny": {"path": "model"}, "gone": {"path": "model", "overrides": {"num_attention_heads": 5}}},
    "train": {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "dropout": 0.0},
}


@contextlib.contextmanager
def meeting_places(count: int) -> Iterator[list[int]]:
    """The ports of stores such as torchrun offers to its processes, on loopback."""
    from torch.distributed import TCPStore

    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    stores = [
        TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False, master_listen_fd=listener.detach())
        for port, listener in zip(ports, listeners, strict=True)
    ]
    yield ports
    del stores


def rank_types(folder: Path, rank: int, commands: list[tuple[str, list[str], int]]) -> None:
    """One rank's commands, each with a name and a port to meet at; what they print and return goes to `folder`."""
    import torch

    from orchestrator.executors import torchrun

    torch.set_num_threads(1)
    torchrun.RAISED_TOGETHER = timedelta(seconds=1)
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORKERS, "LOCAL_WORLD_SIZE": WORKERS}
    os.environ.update({name: str(value) for name, value in told.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", TORCHELASTIC_USE_AGENT_STORE="True", CUDA_VISIBLE_DEVICES="")
    for name, arguments, port in commands:
        os.environ["MASTER_PORT"] = str(port)
        found = CliRunner().invoke(main, arguments)
        said = {"stdout": found.stdout, "stderr": found.stderr, "exit_code": found.exit_code}
        (folder / f"{name}-{rank}.json").write_text(json.dumps(said))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commands that two ranks typed; the last one leaves rank 0 without rank 1."""
    found = tmp_path_factory.mktemp("torchrun")
    experiment = write_experiment(found, **SETTINGS)
    shutil.copy(HOSTILE / "raises_alone.py", found / "raises_alone.py")
    (found / "raises_alone.gate").touch()
    run = ["run", str(experiment), "--out", str(found / "out"), "--model"]
    commands = {
        "good": [*run, "tiny", "--seed", "1", "--json"],
        "again": [*run, "tiny", "--seed", "1"],
        "wrong": [*run, "tiny", "--seed", "1", "--fold", "3"],
        "broken": [*run, "gone", "--seed", "1"],
        "sweep": ["sweep", str(experiment), "--out", str(found / "out")],
        "alone": [*run, "tiny", "--seed", "1", "--set", f"task={found / 'raises_alone.py'}", "--run-code"],
    }
    with meeting_places(len(commands)) as ports:
        typed = [(name, words, port) for (name, words), port in zip(commands.items(), ports, strict=True)]
        in_processes(rank_types, [(found, rank, typed) for rank in range(WORKERS)])
    return found


def said(folder: Path, name: str, rank: int) -> dict[str, str]:
    """What a rank printed and returned."""
    found: dict[str, str] = json.loads((folder / f"{name}-{rank}.json").read_text())
    return found


def attempts(folder: Path, run_id: str) -> list[Attempt]:
    """The tries at a run that left no record."""
    return list(Store.open(folder / "out").attempts(run_id))


def test_the_ranks_train_one_run_together_and_rank_0_prints_and_records_it(folder: Path, tmp_path: Path) -> None:
    answer = json.loads(said(folder, "good", 0)["stdout"])
    assert answer["ran"]
    assert said(folder, "good", 1) == {"stdout": "", "stderr": "", "exit_code": 0}
    assert attempts(folder, answer["run_id"]) == []
    recorded = pd.read_parquet(folder / "out/runs.parquet").set_index("run_id")
    assert recorded.loc[answer["run_id"], "world_size"] == WORKERS
    assert recorded.loc[answer["run_id"], "orchestrate_version"] == version("orchestrator")

    alone = CliRunner().invoke(
        main, ["run", str(folder / "tiny.yaml"), "--out", str(tmp_path), "--model", "tiny", "--seed", "1"]
    )
    assert alone.exit_code == 0, alone.stderr
    ours, theirs = (pd.read_parquet(place / "epochs.parquet") for place in (folder / "out", tmp_path))
    ours = ours[ours["run_id"] == answer["run_id"]]
    for column in ("train_loss", "eval_loss"):
        assert ours[column].to_numpy() == pytest.approx(theirs[column].to_numpy(), rel=1e-4)


def test_a_run_with_a_record_and_a_mistake_are_told_by_rank_0_and_end_all_ranks(folder: Path) -> None:
    assert "recorded earlier" in said(folder, "again", 0)["stdout"]
    assert "drop --fold" in said(folder, "wrong", 0)["stderr"]
    assert [said(folder, name, 0)["exit_code"] for name in ("again", "wrong")] == [0, 2]
    for name in ("again", "wrong"):
        assert said(folder, name, 1) == {"stdout": "", "stderr": "", "exit_code": 0}


def test_what_all_ranks_raise_is_one_attempt(folder: Path) -> None:
    assert "failed (" in said(folder, "broken", 0)["stderr"]
    assert [said(folder, "broken", rank)["exit_code"] for rank in range(WORKERS)] == [3, 0]
    assert said(folder, "broken", 1)["stderr"] == ""
    run_id = said(folder, "broken", 0)["stdout"].split("run ")[1].split(" ")[0]
    assert [(attempt.number, attempt.status) for attempt in attempts(folder, run_id)] == [(1, "failed")]


def test_a_rank_that_raises_alone_says_so_and_its_reason_is_the_attempt(folder: Path) -> None:
    assert "error: rank 1: ArithmeticError: rank 1 is alone with this" in said(folder, "alone", 1)["stderr"]
    assert [said(folder, "alone", rank)["exit_code"] for rank in range(WORKERS)] == [3, 3]
    store = Store.open(folder / "out")
    kinds = {name.parent.name: attempts(folder, name.parent.name) for name in (folder / "out/runs").glob("*/attempts")}
    reasons = [attempt.message for found in kinds.values() for attempt in found]
    assert reasons.count("rank 1: ArithmeticError: rank 1 is alone with this") == 1
    assert len(reasons) == 2, "the other one is of the run that all ranks failed at"
    assert len(store.recorded()) == 1


def test_verbs_that_start_their_own_processes_refuse_torchrun(folder: Path) -> None:
    for rank in range(WORKERS):
        assert said(folder, "sweep", rank)["exit_code"] == 2
        assert "torchrun is for one run" in said(folder, "sweep", rank)["stderr"]
