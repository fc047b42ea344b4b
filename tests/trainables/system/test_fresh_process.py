"""A function in a fresh process: answers come one by one and alone, errors can be read, and nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from trainables.system.fresh_process import ProcessFailed, call, stream

FUNCTIONS = """
import os, signal, subprocess, sys, time

def doubled(question):
    return {"doubled": question["number"] * 2, "loaded": "torch" in sys.modules, "argument": question["text"]}

def noisy(question):
    print('{"not": "an answer"}')
    subprocess.run(["echo", "of a library"])
    for number in range(question):
        yield number

def sleeping(seconds):
    yield os.getpid()
    time.sleep(seconds)
    yield "awake"

def raising(question):
    yield "first"
    raise ValueError(f"{question} is not enough")

def killed(question):
    yield "first"
    os.kill(os.getpid(), signal.SIGKILL)

def quiet(question):
    os._exit(3)

def where(question):
    return [os.environ.get("MARK"), sys.path[0]]
"""
PARENT = """
import sys
from trainables.system.fresh_process import stream
for result in stream("functions:sleeping", 600, {"PYTHONPATH": sys.argv[1]}):
    print(result, flush=True)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a process that finds the functions, and this checkout first."""
    (tmp_path / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
    checkout = str(Path(__file__).parents[3])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), checkout])}


def test_a_question_has_its_answer_and_nothing_of_this_process_is_loaded_there(environment: dict[str, str]) -> None:
    text = 'it\'s "quoted"\nand has lines, 日本'
    result = call("functions:doubled", {"number": 21, "text": text}, environment)
    assert result == {"doubled": 42, "loaded": False, "argument": text}


def test_what_libraries_print_is_no_answer(environment: dict[str, str]) -> None:
    assert list(stream("functions:noisy", 3, environment)) == [0, 1, 2]
    assert list(stream("functions:noisy", 0, environment)) == []


def test_a_large_question_comes_over_whole(environment: dict[str, str]) -> None:
    text = "x" * 5_000_000
    assert call("functions:doubled", {"number": 1, "text": text}, environment)["argument"] == text


@pytest.mark.parametrize(
    ("name", "reason", "before"),
    [
        ("raising", "its process ended with 1: ValueError: 7 is not enough", ["first"]),
        ("killed", "its process ended with -9: it printed nothing", ["first"]),
        ("quiet", "its process ended with 3: it printed nothing", []),
        ("absent", "its process ended with 1: AttributeError: module 'functions' has no attribute 'absent'", []),
    ],
)
def test_an_error_is_one_line_after_the_answers_until_then(
    environment: dict[str, str], name: str, reason: str, before: list[str]
) -> None:
    coming = stream(f"functions:{name}", 7, environment)
    assert [next(coming) for _ in before] == before
    with pytest.raises(ProcessFailed) as caught:
        next(coming)
    assert str(caught.value) == reason


def test_answers_come_as_soon_as_they_are_there_and_to_stop_asking_ends_the_process(
    environment: dict[str, str],
) -> None:
    coming = stream("functions:sleeping", 600, environment)
    child = psutil.Process(next(coming))
    assert child.is_running()
    coming.close()
    assert not child.is_running()


def test_the_environment_is_the_one_that_is_given_and_the_working_directory_is_not_imported_from(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    mark, first = call("functions:where", None, {**environment, "MARK": "mine"})
    assert (mark, first) == ("mine", str(tmp_path))


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_the_one_that_asked(environment: dict[str, str], with_signal: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, environment["PYTHONPATH"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(with_signal)
        parent.wait()
    deadline = time.monotonic() + 20
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it outlived the process that asked"
        time.sleep(0.05)
