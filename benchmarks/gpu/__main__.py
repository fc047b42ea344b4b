"""The command line of the GPU benchmarks: see `python -m benchmarks.gpu --help`."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import benchmarks.gpu
from benchmarks.gpu import schedule, wheels
from benchmarks.gpu.journal import LOG, PAGE, ROWS, Journal
from benchmarks.gpu.runner import Runner
from benchmarks.gpu.schedule import Step

EXIT_USAGE, EXIT_NO_DEVICE = 2, 4
ATTEMPTS = 2  # a step that fails is taken once more by a new process, without what failed
START_SECONDS = 120.0  # for the first imports on a slow disk, however short the budget is
REHEARSE = "ORCHESTRATE_REHEARSE"
FOLDERS = ("--out", "--resume", "--wheels")
ROOT = Path(benchmarks.gpu.__file__).parents[2]


def main() -> int:
    """Prepare wheels, or measure; the exit code."""
    arguments = _parsed()
    try:
        if arguments.prepare is not None:
            return _prepare(arguments)
        site = None if arguments.wheels is None else wheels.install(arguments.wheels)
    except wheels.NoWheels as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    signal.signal(signal.SIGTERM, _leave)  # its processes end with it
    journal = Journal(
        arguments.out, {str(arguments.out.resolve()): "DIR", str(ROOT): ".", tempfile.gettempdir(): "TMP"}
    )
    runner = Runner(_environment(site, arguments.rehearse), journal.log)
    try:
        return _measure(arguments, journal, runner)
    finally:
        runner.end()


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _measure(arguments: argparse.Namespace, journal: Journal, runner: Runner) -> int:
    """Step after step until the time is over; the exit code."""
    deadline = arguments.started + 60 * arguments.minutes
    machine = runner.machine(START_SECONDS)
    if machine is None:
        print("error: the libraries cannot be imported here; --wheels DIR brings what is missing", file=sys.stderr)
        print(f"the log says more: {journal.folder / LOG}", file=sys.stderr)
        return EXIT_USAGE
    if machine["device"] != "cuda" and not arguments.rehearse:
        print("error: no CUDA device here; --rehearse does the same with tiny models on a processor", file=sys.stderr)
        return EXIT_NO_DEVICE
    steps = schedule.chosen(arguments.only, journal.done_steps())
    journal.write({"kind": "call", "command": _command(), "machine": machine, "rehearsal": arguments.rehearse})
    with tempfile.TemporaryDirectory(prefix="gpu-", ignore_cleanup_errors=True) as folder:
        for step in steps:
            for _ in range(ATTEMPTS):
                left = deadline - time.monotonic()
                seconds = schedule.granted(step, left, rehearse=arguments.rehearse)
                if seconds is None:
                    _leave_out(journal, step, left)
                    break
                if _take(runner, journal, step, seconds, folder, rehearse=arguments.rehearse) != "failed":
                    break
    _summarise(journal, steps)
    return 0


def _take(runner: Runner, journal: Journal, step: Step, seconds: float, folder: str, *, rehearse: bool) -> str:
    """Do one step, and say how it ended; every row is on disk before the next is waited for."""
    print(f"{step.name}: at most {seconds:.0f} s", file=sys.stderr, flush=True)
    started, result = time.monotonic(), "cut off"
    failed_here = journal.failed_keys(step.section) if journal.last_result(step.name) == "failed" else frozenset()
    question = {
        "section": step.section,
        "number": step.number,
        "seconds": seconds - 2.0,  # it should end by itself before it is ended
        "folder": folder,
        "rehearse": rehearse,
        "done": sorted(journal.done_keys(step.section) | failed_here),
        "rows": [row for row in journal.rows if row.get("kind") == "row" and "trace" not in row],
    }
    for row in runner.rows(step, question, seconds):
        if row["kind"] == "end":
            result = row["result"]
            row |= {"step": step.name, "seconds": round(time.monotonic() - started, 1)}
            print(f"{step.name}: {row['result']} {row.get('reason', '')}".rstrip(), file=sys.stderr, flush=True)
        journal.write(row)
    return result


def _leave_out(journal: Journal, step: Step, left: float) -> None:
    reason = f"needs {step.least_seconds:.0f} s, and {max(0.0, left):.0f} s were left"
    journal.write({"kind": "end", "step": step.name, "result": "left out", "reason": reason})
    print(f"{step.name}: left out, {reason}", file=sys.stderr, flush=True)


def _summarise(journal: Journal, steps: Sequence[Step]) -> None:
    """Say what came of it: the numbers of rows, what was left out, and how to go on."""
    rows = [row for row in journal.rows if row.get("kind") == "row"]
    failed = sum(row["result"] in ("failed", "error") for row in rows)
    last = {row["step"]: row["result"] for row in journal.rows if row.get("kind") == "end"}
    open_steps = [step.name for step in steps if last.get(step.name) != "done"]
    print(f"{len(rows)} rows, {failed} failed: {journal.folder / PAGE}")
    if open_steps:
        print(f"not done: {'; '.join(open_steps)}; go on with --resume {journal.folder}")


def _environment(site: str | None, rehearse: bool) -> dict[str, str]:
    """What the measuring processes see: this checkout and the wheels first, no hub, and results that repeat."""
    paths = [*filter(None, [site]), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        REHEARSE: "1" if rehearse else "",
        **({"OMP_NUM_THREADS": "1"} if rehearse else {}),  # tiny models only wait for each other's threads
    }
    return {**os.environ, **settings}


def _prepare(arguments: argparse.Namespace) -> int:
    found = wheels.download(arguments.prepare, arguments.python, arguments.platform or wheels.PLATFORMS)
    for path in found:
        print(f"{path.stat().st_size / 2**20:6.2f} MiB  {path.name}")
    print(f"{sum(path.stat().st_size for path in found) / 2**20:6.2f} MiB in {arguments.prepare}")
    return 0


def _command() -> str:
    """As it can be typed anywhere: folders of this machine are DIR."""
    words = [
        "DIR" if before in FOLDERS else word for before, word in zip(["", *sys.argv[1:]], sys.argv[1:], strict=False)
    ]
    return shlex.join(["python", "-m", "benchmarks.gpu", *words])


def _parsed() -> argparse.Namespace:
    started = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=benchmarks.gpu.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit codes: 0 done, also where sections failed or were left out; 2 usage; 4 no CUDA device.",
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="how long all of it may take (default: 8)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where rows, page and log go (three files)")
    parser.add_argument("--only", type=_sections, metavar="A,B", help=f"of {', '.join(schedule.SECTIONS)}")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on where an earlier call with this --out ended")
    parser.add_argument("--rehearse", action="store_true", help="tiny models, also on a processor; not a result")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="install these packages for the time of the call")
    parser.add_argument("--prepare", type=Path, metavar="DIR", help="download those packages, and do nothing else")
    parser.add_argument("--python", default=wheels.PYTHON, help=f"for --prepare (default: {wheels.PYTHON})")
    parser.add_argument("--platform", action="append", help="for --prepare; repeatable")
    arguments = parser.parse_args()
    arguments.started = started
    arguments.out = arguments.out or arguments.resume
    if arguments.prepare is None and arguments.out is None:
        parser.error("--out DIR (or --resume DIR) is needed")
    if arguments.resume is not None and arguments.resume.resolve() != arguments.out.resolve():
        parser.error("--resume goes on in the folder itself: give the same --out, or none")
    if arguments.minutes <= 0:
        parser.error("--minutes must be more than 0")
    if arguments.resume is None and arguments.prepare is None and (arguments.out / ROWS).exists():
        parser.error(f"{arguments.out} holds rows of an earlier call; go on with --resume {arguments.out}")
    return arguments


def _sections(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in schedule.SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown section {unknown[0]!r}; known: {', '.join(schedule.SECTIONS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
