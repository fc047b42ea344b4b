"""Counts files and lines of each package: how full its files are, and how many lie flat in one folder.

Usage: python -m tests.architecture.sizes [CHECKOUT ...], rows a checkout and package.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from pathlib import Path

from tests.architecture.imports import PACKAGES
from tests.architecture.layers import ENTRIES, ROOT

SHORT = 40


def row(checkout: Path, packages: tuple[str, ...]) -> list[object]:
    """Files, of them plug-in entries and `__init__`, lines, median of lines, short files, most files in one folder.

    A folder of entries may hold any number of files, so it is left out of the last.
    """
    paths = [path for package in packages for path in (checkout / package).rglob("*.py")]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    entries = [path for path in paths if path.parent.name in ENTRIES and not path.name.startswith("_")]
    others = [path for path in paths if path not in entries and path.name != "__init__.py"]
    flat = Counter(path.parent for path in others if path.parent.name not in ENTRIES)
    folder, most = flat.most_common(1)[0]
    return [
        len(paths),
        len(entries),
        len(paths) - len(entries) - len(others),
        sum(lines.values()),
        f"{statistics.median(lines[path] for path in others):g}",
        sum(lines[path] < SHORT for path in others),
        f"{most} (`{folder.relative_to(checkout).as_posix()}`)",
    ]


def table(checkouts: list[Path]) -> str:
    """The rows in Markdown."""
    headings = ["checkout", "package", "files", "entries", "`__init__`", "lines", "median of the others"]
    headings += [f"of them below {SHORT}", "most in a folder"]
    lines = [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
    for number, checkout in enumerate(checkouts, 1):
        for packages in (*((package,) for package in PACKAGES), PACKAGES):
            name = packages[0] if len(packages) == 1 else "all"
            lines.append(f"| {number} | {name} | {' | '.join(str(cell) for cell in row(checkout, packages))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table([Path(name) for name in sys.argv[1:]] or [ROOT]) + "\n")
