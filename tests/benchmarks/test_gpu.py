"""The command for a GPU that is there for minutes: what fits is measured, what fails is a row, the page is whole."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import benchmarks
from benchmarks.gpu import page, schedule, wheels
from benchmarks.gpu.journal import LOG, PAGE, ROWS, Journal
from benchmarks.gpu.runner import Runner
from benchmarks.gpu.schedule import STEPS, Step
from benchmarks.gpu.sections import correctness
from benchmarks.gpu.task import SpoiledDevice, Task

ABSENT = Path(__file__).parent / "absent"
ROOT = Path(benchmarks.__file__).parents[1]
ON_THE_MACHINE = {  # what a GPU image brings: packages by the names they are imported by
    *("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "peft", "accelerate", "numpy", "scipy"),
    *("pandas", "pyarrow", "matplotlib", "statsmodels", "sklearn", "yaml", "click", "rich", "psutil", "jinja2"),
    *("packaging", "fsspec", "pytest"),
}


def command(out: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as it is typed, in a process that misses what such a machine misses."""
    settings = {**os.environ, "PYTHONPATH": str(ABSENT), **environment}
    given = [sys.executable, "-m", "benchmarks.gpu", "--out", str(out), *more]
    return subprocess.run(given, env=settings, cwd=ROOT, capture_output=True, text=True, check=False)


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / ROWS).read_text().splitlines()]


@pytest.mark.fault
@pytest.mark.timeout(400)
def test_a_rehearsal_measures_every_section_that_a_processor_can_do(tmp_path: Path) -> None:
    ended = command(tmp_path / "out", "--rehearse", "--minutes", "4")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = rows(tmp_path / "out")
    measured = {row["section"] for row in found if row["kind"] == "row" and row["result"] in ("measured", "passed")}
    assert measured == set(schedule.SECTIONS)
    assert not [row for row in found if row.get("result") == "failed"], (tmp_path / "out" / LOG).read_text()[-3000:]
    shown = (tmp_path / "out" / PAGE).read_text()
    assert "no number here is a result" in shown
    assert "ray not installed" in shown
    assert "needs bitsandbytes" in shown
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([ROWS, PAGE, LOG])


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a CUDA device")
def test_without_a_device_it_says_so_and_what_to_do(tmp_path: Path) -> None:
    ended = command(tmp_path / "out", "--minutes", "1")
    assert ended.returncode == 4
    assert "no CUDA device here; --rehearse" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--only", "speed,sped"), "unknown section 'sped'"),
        (("--minutes", "0"), "must be more than 0"),
        (("--resume", "elsewhere"), "goes on in the folder itself"),
        (("--wheels", "nowhere"), "holds no wheels"),
    ],
)
def test_what_it_cannot_do_is_exit_2(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    ended = command(tmp_path / "out", *arguments)
    assert ended.returncode == 2
    assert reason in ended.stderr


@pytest.mark.fault
def test_a_budget_that_is_too_short_leaves_sections_out_and_a_later_call_takes_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    short = command(out, "--rehearse", "--minutes", "0.01", "--only", "forecast,grid")
    assert short.returncode == 0, short.stderr
    assert "grid, first pass: left out, needs" in short.stderr
    assert {row["result"] for row in rows(out) if row["kind"] == "end"} == {"left out"}
    assert "left out" in (out / PAGE).read_text()
    refused = command(out, "--rehearse", "--minutes", "2", "--only", "grid")
    assert refused.returncode == 2
    assert f"go on with --resume {out}" in refused.stderr
    resumed = command(out, "--resume", str(out), "--rehearse", "--minutes", "2", "--only", "grid")
    assert resumed.returncode == 0, resumed.stderr
    assert [row["step"] for row in rows(out) if row.get("result") == "done"] == [
        "grid, first pass",
        "grid, second pass",
    ]
    assert len([row for row in rows(out) if row["kind"] == "row" and "seed" in row]) == 6


def worker_environment(folder: Path, section: str) -> dict[str, str]:
    """An environment in which the section `forecast` is this code, and what is slow to import is not imported."""
    (folder / "sitecustomize.py").write_text(
        "import sys, types\n"
        "def module(name, **content):\n"
        "    sys.modules[name] = types.ModuleType(name)\n"
        "    vars(sys.modules[name]).update(content)\n"
        "module('torch', cuda=types.SimpleNamespace(is_available=lambda: False))\n"
        "module('trainables.tools.profile')\n"
        "module('benchmarks.machine', machine=dict, installed=str)\n"
        "module('benchmarks.gpu.sections.forecast')\n"
        f"exec({section!r}, vars(sys.modules['benchmarks.gpu.sections.forecast']))\n"
    )
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


FAULTY = """
import os, signal, time
def measure(task):
    task.row("kept", value=1)
    if "kill" in task.rows[0]["how"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if "raise" in task.rows[0]["how"]:
        raise RuntimeError("no such kernel")
    if "hang" in task.rows[0]["how"]:
        time.sleep(600)
    print("a library that prints")
"""


def test_a_section_that_raises_dies_or_hangs_is_a_row_and_the_next_one_has_a_new_process(tmp_path: Path) -> None:
    said: list[str] = []
    runner = Runner(worker_environment(tmp_path, FAULTY), said.append)
    step = Step("forecast", "first", 60.0, 1.0)
    try:
        assert runner.machine(120.0) is not None
        found = {}
        for how, seconds in (("raise", 60.0), ("kill", 60.0), ("hang", 1.0), ("work", 60.0)):
            found[how] = list(runner.rows(step, question(tmp_path, how), seconds))
    finally:
        runner.end()
    assert all(part[0]["key"] == "kept" for part in found.values())
    ends = {how: part[-1] for how, part in found.items()}
    assert (ends["raise"]["result"], ends["raise"]["reason"]) == ("failed", "RuntimeError: no such kernel")
    assert (ends["kill"]["result"], ends["kill"]["reason"]) == ("failed", "the process ended with signal SIGKILL")
    assert (ends["hang"]["result"], ends["hang"]["reason"]) == ("cut off", "was not over after 1 s")
    assert ends["work"]["result"] == "done"
    assert any("a library that prints" in line for line in said)


def question(folder: Path, how: str) -> dict[str, Any]:
    own = {"section": "forecast", "number": "first", "seconds": 30.0, "folder": str(folder), "rehearse": True}
    return {**own, "done": [], "rows": [{"how": how}]}


def test_steps_that_do_not_fit_are_not_begun_and_none_gets_more_than_its_cap() -> None:
    speed = next(step for step in STEPS if step.name == "speed, first pass")
    assert schedule.granted(speed, 480.0) == speed.most_seconds
    assert schedule.granted(speed, speed.least_seconds + schedule.RESERVED_SECONDS) == speed.least_seconds
    assert schedule.granted(speed, speed.least_seconds + schedule.RESERVED_SECONDS - 0.1) is None
    assert schedule.granted(speed, schedule.REHEARSED_LEAST_SECONDS + schedule.RESERVED_SECONDS, rehearse=True) == 4.0
    assert schedule.granted(speed, 480.0, rehearse=True) == schedule.REHEARSED_FIRST_SECONDS


def test_first_passes_come_first_in_the_order_of_their_worth_and_fit_eight_minutes() -> None:
    first = [step for step in STEPS if step.number == "first"]
    assert [(step.section, step.most_seconds) for step in first if step.section != "forecast"] == [
        ("correctness", 60.0),
        ("speed", 60.0),
        ("several", 90.0),
        ("grid", 120.0),
    ]
    assert list(STEPS[: len(first)]) == first
    assert sum(step.most_seconds for step in first) < 480.0 - 60.0
    assert {step.section for step in STEPS} == set(schedule.SECTIONS)


def test_what_is_done_is_not_done_again_but_a_forecast_is() -> None:
    done = {"grid, first pass", "forecast, first pass"}
    names = [step.name for step in schedule.chosen(("grid", "forecast"), done)]
    assert names == ["forecast, first pass", "grid, second pass", "forecast, second pass"]


def test_a_row_is_on_disk_and_on_the_page_as_soon_as_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number, result in enumerate(("measured", "failed", "left out")):
        journal.write({"kind": "row", "section": "recipes", "key": f"A{number}", "result": result, "reason": "| odd |"})
        assert f"| A{number} |" in (tmp_path / PAGE).read_text()
    with (tmp_path / ROWS).open("a") as stream:
        stream.write('{"kind": "row", "cut o')  # a kill in the middle of a write
    again = Journal(tmp_path)
    assert [row["key"] for row in again.rows] == ["A0", "A1", "A2"]
    assert again.done_keys("recipes") == {"A0"}


def test_neither_rows_nor_log_grow_beyond_what_may_be_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.gpu.journal.MOST_BYTES", 600)
    journal = Journal(tmp_path)
    for number in range(20):
        journal.write({"kind": "row", "section": "recipes", "key": str(number), "result": "measured"})
        journal.log("x" * 100 + "\n")
    assert (tmp_path / ROWS).stat().st_size <= 600
    assert (tmp_path / LOG).stat().st_size <= 700
    assert (tmp_path / LOG).read_text().endswith("the log ends here: it is full\n")


def task(tmp_path: Path, seconds: float = 60.0, **more: Any) -> tuple[Task, list[Mapping[str, Any]]]:
    kept: list[Mapping[str, Any]] = []
    return Task("speed", "first", seconds, tmp_path, kept.append, **more), kept


def test_what_fails_inside_a_section_is_a_row_and_a_broken_device_ends_it(tmp_path: Path) -> None:
    here, kept = task(tmp_path)
    with here.attempt("one"):
        raise ValueError("no such thing\nsecond line")
    assert (kept[0]["key"], kept[0]["result"], kept[0]["reason"]) == ("one", "failed", "ValueError: no such thing")
    with pytest.raises(SpoiledDevice), here.attempt("two"):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    assert kept[1]["key"] == "two"


def test_what_has_no_time_left_is_said_and_what_is_there_is_not_measured_again(tmp_path: Path) -> None:
    here, kept = task(tmp_path, seconds=5.0, done=frozenset({"there"}))
    assert here.wants("quick", 4.0)
    assert not here.wants("there", 0.0)
    assert here.is_whole
    assert not here.wants("slow", 30.0)
    assert not here.is_whole
    assert kept[0]["result"] == "left out"
    assert kept[0]["reason"] == "takes 30 s, and 5 s were left"


def test_the_page_tells_ratios_to_the_trainer_shares_of_the_ceiling_and_the_whole_grid() -> None:
    found: list[dict[str, Any]] = [
        {
            "kind": "row",
            "section": "speed",
            "key": "ceiling bf16",
            "result": "measured",
            "precision": "bf16",
            "ceiling": 1e4,
        },
        {
            "kind": "row",
            "section": "speed",
            "key": "whole",
            "result": "whole",
            "model": "m",
            "operations_per_token": 10.0,
        },
    ]
    facts = {"tokens_per_second": 100.0, "step_seconds_p50": 0.01, "step_seconds_p95": 0.02, "peak_memory_gib": 1.0}
    for side, speed in (("Trainer", 10.0), ("bucketed", 40.0)):
        for number in (1, 2):
            own = {
                "model": "m",
                "side": side,
                "round": number,
                "precision": "bf16",
                "samples_per_second": speed + number,
            }
            found.append(
                {"kind": "row", "section": "speed", "key": f"{side} {number}", "result": "measured", **own, **facts}
            )
    for seed, seconds in ((42, 20.0), (43, 5.0), (44, 7.0)):
        own = {"model": "roberta-base", "seed": seed, "seconds": seconds}
        found.append({"kind": "row", "section": "grid", "key": f"seed {seed}", "result": "measured", **own})
    shown = page.render(found)
    assert "| m | bucketed | 41.5 (41.0 to 42.0, 2 rounds) | 3.609 | 100 | 10 | 20 | 1 | 10.0% |" in shown
    assert "roberta-base: first run 20.0 s, a later one 6.0 s, ten seeds 74 s" in shown
    assert "1.2 minutes (1 of 3 models were measured)" in shown


MEASURED = (
    *(
        "trainables.tools.profile",
        "orchestrator.commands.plan",
        "orchestrator.executors.in_process",
        "orchestrator.api",
    ),
    *("orchestrator.config.resolve", "benchmarks.gpu.__main__", "benchmarks.gpu.worker", "benchmarks.stacked_lora"),
    *(f"benchmarks.gpu.sections.{name}" for name in schedule.SECTIONS),
)


def test_the_modules_that_are_measured_import_what_the_machine_has_or_the_wheels_bring() -> None:
    code = (
        f"import importlib, sys\nfor name in {MEASURED!r}: importlib.import_module(name)\n"
        "files = (str(getattr(module, '__file__', '')) for module in sys.modules.values())\n"
        f"print(*(file for file in files if file.startswith({str(ROOT)!r})))"
    )
    settings = {**os.environ, "PYTHONPATH": str(ABSENT)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=settings, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    own = [Path(name) for name in ended.stdout.split() if ".venv" not in name and ABSENT not in Path(name).parents]
    assert len(own) > 100
    outside = {name for path in own for name in imported(path) if name not in sys.stdlib_module_names}
    ours = {"trainables", "orchestrator", "analysis", "benchmarks"}
    assert outside - ours - ON_THE_MACHINE == set(wheels.LACKING)


def imported(path: Path) -> set[str]:
    """Top-level names of what a file imports when it is imported itself."""
    found: set[str] = set()
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            found.add(str(statement.module).partition(".")[0])
    return found


def test_every_file_of_the_gpu_tests_is_one_that_the_command_runs() -> None:
    there = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "gpu").glob("test_*.py")}
    assert there == set(correctness.FILES)


def test_wheels_are_asked_for_by_the_other_machine_s_python_and_tags(tmp_path: Path) -> None:
    found = wheels.download_arguments(
        tmp_path, ["pydantic==2.0"], "3.12", ["manylinux2014_x86_64", "manylinux_2_28_x86_64"]
    )
    assert found[found.index("--python-version") + 1] == "3.12"
    assert found.count("--platform") == 2
    assert {"--only-binary", ":all:", "pydantic==2.0", str(tmp_path)} <= set(found)


def test_wheels_are_installed_for_the_time_of_the_call(tmp_path: Path) -> None:
    wheel = tmp_path / "carried-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("carried.py", "VALUE = 7\n")
        archive.writestr("carried-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carried\nVersion: 1.0\n")
        archive.writestr(
            "carried-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("carried-1.0.dist-info/RECORD", "")
    place = Path(wheels.install(tmp_path))
    assert (place / "carried.py").read_text() == "VALUE = 7\n"
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"no archive")
    with pytest.raises(wheels.NoWheels, match="pip install failed"):
        wheels.install(tmp_path)


def test_a_step_is_ended_when_its_time_is_over_also_where_a_process_it_started_goes_on(tmp_path: Path) -> None:
    section = (
        "import subprocess, sys, time\n"
        "def measure(task):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    task.row('child', pid=child.pid)\n"
        "    time.sleep(600)\n"
    )
    runner = Runner(worker_environment(tmp_path, section), lambda line: None)
    try:
        assert runner.machine(120.0) is not None
        found = list(runner.rows(Step("forecast", "first", 60.0, 1.0), question(tmp_path, "hang"), 2.0))
    finally:
        runner.end()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{found[0]['pid']}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found[-1]["result"] == "cut off"
    assert not Path(f"/proc/{found[0]['pid']}").exists()
