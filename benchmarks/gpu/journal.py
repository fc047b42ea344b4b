"""Rows on disk the moment they are measured: JSON lines, and a page that is whole at any moment.

A folder holds three files, whatever is measured: `rows.jsonl`, `gpu.md`, `log.txt`; none may grow beyond 16 MiB.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu import page

ROWS, PAGE, LOG = "rows.jsonl", "gpu.md", "log.txt"
MOST_BYTES = 15 << 20
LONGEST_TEXT = 2000
Row = dict[str, Any]


class Journal:
    """The rows of one folder, which may see several calls. `hidden` gives words for places of this machine."""

    def __init__(self, folder: Path, hidden: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._hidden = folder, hidden or {}
        self.rows = read(folder / ROWS)

    def write(self, row: Mapping[str, Any]) -> None:
        """Keep a row for good, then show it on the page."""
        kept = {name: self._text(value) if isinstance(value, str) else value for name, value in row.items()}
        line = json.dumps(kept, default=str) + "\n"
        place = self.folder / ROWS
        if place.exists() and place.stat().st_size + len(line) > MOST_BYTES:
            return
        with place.open("a", encoding="utf-8") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
        self.rows.append(kept)
        self.show()

    def _text(self, value: str) -> str:
        for place, word in self._hidden.items():
            value = value.replace(place, word)
        return value[:LONGEST_TEXT]

    def log(self, text: str) -> None:
        """Add to what the processes said; what comes after the limit is dropped, and the log says so."""
        place = self.folder / LOG
        size = place.stat().st_size if place.exists() else 0
        if size < MOST_BYTES:
            rest = text[: MOST_BYTES - size]
            with place.open("a", encoding="utf-8", errors="replace") as stream:
                stream.write(rest if rest == text else f"{rest}\n... the log ends here: it is full\n")

    def show(self) -> None:
        """Write the page anew, in one stroke."""
        waiting = self.folder / f".{PAGE}"
        waiting.write_text(page.render(self.rows), encoding="utf-8")
        waiting.replace(self.folder / PAGE)

    def done_steps(self) -> frozenset[str]:
        """Names of the steps that came to their end."""
        return frozenset(row["step"] for row in self.rows if row.get("kind") == "end" and row["result"] == "done")

    def done_keys(self, section: str) -> frozenset[str]:
        """What was measured of a section: a later pass or call leaves it alone."""
        return frozenset(
            row["key"]
            for row in self.rows
            if row.get("kind") == "row" and row["section"] == section and row["result"] not in ("failed", "left out")
        )

    def failed_keys(self, section: str) -> frozenset[str]:
        """What failed in a section: a second attempt at the same step leaves it alone."""
        own = (row for row in self.rows if row.get("kind") == "row" and row["section"] == section)
        return frozenset(row["key"] for row in own if row["result"] == "failed")

    def last_result(self, step: str) -> str | None:
        """How a step ended when it was taken last."""
        return next((row["result"] for row in reversed(self.rows) if row.get("step") == step), None)


def read(path: Path) -> list[Row]:
    """Every whole row of a file; a last line that was cut off is left out. No file: no rows."""
    rows: list[Row] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
