"""Breaks the product in thirty ways, one at a time, and says which of them the tests notice.

Usage: python -m tests.mutations [--checkout DIR] [NUMBER ...]

A mutation's own tests come first; one that they miss meets everything that `make test` and `make test-faults` run. DIR
is the checkout to break (default: this one), which is copied and never changed. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PRODUCT = ("orchestrator", "trainables", "analysis")
COPIED = (*PRODUCT, "benchmarks", "tests", "docs")
FILES = ("pyproject.toml", "README.md", "cluster.yaml", "Makefile", "constraints.txt", "CHANGELOG.md")
EVERYTHING = (["-m", "not ray and not fault and not soak", "-n", "2"], ["-m", "(ray or fault) and not soak", "-n", "0"])


def mutations() -> list[dict[str, Any]]:
    """What to break: `what` it means, `old` and `new` text, the tests to try first, and a second place in `also`."""
    listed: list[dict[str, Any]] = yaml.safe_load((HERE / "mutations.yaml").read_text(encoding="utf-8"))
    return listed


def place_of(old: str, root: Path) -> Path:
    """The product file that holds the text. Raises LookupError unless it stands exactly once in all of them."""
    files = [path for package in PRODUCT for path in sorted((root / package).rglob("*.py"))]
    counts = {path: path.read_text(encoding="utf-8").count(old) for path in files}
    holding = [path for path, count in counts.items() if count]
    if len(holding) != 1 or counts[holding[0]] != 1:
        raise LookupError(f"{old!r} stands {sum(counts.values())} times in the product, and must stand once")
    return holding[0]


def break_it(mutation: dict[str, Any], root: Path) -> str:
    """Apply a mutation to a checkout; returns the file that was changed first, as a relative path."""
    changed = ""
    for part in [mutation, *([mutation["also"]] if "also" in mutation else [])]:
        path = place_of(part["old"], root)
        path.write_text(path.read_text(encoding="utf-8").replace(part["old"], part["new"]), encoding="utf-8")
        changed = changed or path.relative_to(root).as_posix()
    return changed


def copy(checkout: Path, target: Path) -> None:
    """All that the tests need of a checkout."""
    for name in COPIED:
        shutil.copytree(checkout / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(checkout / name, target / name)


def failing_test(root: Path, arguments: Sequence[str]) -> str | None:
    """The first test that fails; None where all pass. Raises RuntimeError where pytest ran no test."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    named = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if done.returncode != 1 or not named:
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return named[0].split(" - ")[0].partition(" ")[2]


def judge(mutation: dict[str, Any], checkout: Path) -> tuple[str, str | None]:
    """The file that a mutation breaks, and the first test that notices."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        root = Path(folder)
        copy(checkout, root)
        changed = break_it(mutation, root)
        own = [name for name in mutation["tests"] if (root / name).exists()]
        for arguments in ([*own, "-m", "not ray", "-n", "0"], *EVERYTHING):
            noticed = failing_test(root, arguments)
            if noticed is not None:
                return changed, noticed
    return changed, None


def main() -> None:
    """A row a mutation, as it is judged."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("numbers", nargs="*", type=int)
    parser.add_argument("--checkout", type=Path, default=HERE.parents[1])
    arguments = parser.parse_args()
    say("| number | what is broken | where | noticed by | seconds |\n| --- | --- | --- | --- | --- |")
    missed = 0
    for number, mutation in enumerate(mutations(), 1):
        if arguments.numbers and number not in arguments.numbers:
            continue
        started = time.monotonic()
        changed, noticed = judge(mutation, arguments.checkout.resolve())
        missed += noticed is None
        shown = f"`{noticed}`" if noticed else "**nobody**"
        say(f"| {number} | {mutation['what']} | `{changed}` | {shown} | {time.monotonic() - started:.0f} |")
    say(f"\n{missed} not noticed")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
