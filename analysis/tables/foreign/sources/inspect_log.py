"""Reads evaluation logs of Inspect, `.json` or `.eval`: a run is one epoch of one log, an item one of its samples."""

from __future__ import annotations

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.tables.foreign.table import Refused, Table, as_text

KIND = "Inspect logs"
_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partially correct, incorrect, no answer
_STATES = {"success": "completed", "error": "failed", "cancelled": "failed", "started": "running"}
_COLUMNS = ("system", "seed", "dataset", "metric", "item", "score", "status", "task_args", "temperature")


def is_log(content: Any) -> bool:
    """Return whether JSON is an evaluation log."""
    return isinstance(content, dict) and isinstance(content.get("eval"), dict) and "status" in content


def unpacked(data: bytes, label: str) -> dict[str, Any]:
    """Return the content of an `.eval` file, which is a ZIP archive. Raises Refused for one that cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            header: dict[str, Any] = json.loads(archive.read("header.json"))
            samples = [json.loads(archive.read(name)) for name in sorted(names) if name.startswith("samples/")]
    except (zipfile.BadZipFile, NotImplementedError, KeyError, ValueError, OSError) as error:
        raise Refused(
            f"{label}: cannot be read as an Inspect log ({error}); convert it: inspect log convert --to json"
        ) from None
    return {**header, "samples": samples}


def tables(logs: Sequence[tuple[Mapping[str, Any], str]], label: str) -> list[Table]:
    """Return one table of all logs, oldest first: one row for each sample, epoch and scorer.

    Epochs and repeated logs of one model on one task are numbered, and the number is the seed. Raises Refused for a
    log without scores that ended well.
    """
    counted: dict[tuple[str, str], int] = defaultdict(int)
    rows: list[dict[str, str | None]] = []
    for log, own in sorted(logs, key=lambda pair: str(pair[0]["eval"].get("created", ""))):
        key = str(log["eval"].get("model")), str(log["eval"].get("task"))
        new = list(_rows(log, own, counted[key]))
        counted[key] = max([counted[key] + 1, *(int(row["seed"] or 0) for row in new)])
        rows += new
    if not rows:
        raise Refused(f"{label}: holds no scores of samples; score the log first (inspect score)")
    cells = pd.DataFrame(rows, columns=pd.Index(_COLUMNS, dtype=object), dtype=object)
    note = f"{label}: the epochs of an Inspect log are read as seeds"
    return [Table(label, cells.where(cells.notna(), None), (note,), kind=KIND)]


def _rows(log: Mapping[str, Any], label: str, before: int) -> Iterator[dict[str, str | None]]:
    about = log["eval"]
    shared = {
        "system": as_text(about.get("model")),
        "dataset": as_text(about.get("task")),
        "status": _STATES.get(str(log["status"]), str(log["status"])),
        "task_args": json.dumps(about.get("task_args") or {}, sort_keys=True),
        "temperature": as_text((about.get("model_generate_config") or {}).get("temperature")),
    }
    for sample in log.get("samples") or []:
        run = shared | {"seed": str(before + int(sample.get("epoch", 1))), "item": as_text(sample.get("id"))}
        scores = list(_scores(sample.get("scores") or {}, f"{label}: sample {sample.get('id')}"))
        yield from ({**run, "metric": metric, "score": as_text(score)} for metric, score in scores)


def _scores(scores: Mapping[str, Any], label: str) -> Iterator[tuple[str, float | None]]:
    for scorer, score in scores.items():
        value = score.get("value") if isinstance(score, dict) else score
        if isinstance(value, dict):
            yield from ((f"{scorer}.{name}", _number(inner, label)) for name, inner in value.items())
        else:
            yield scorer, _number(value, label)


def _number(value: Any, label: str) -> float | None:
    if value is None or isinstance(value, bool | int | float):
        return None if value is None else float(value)
    if value in _GRADES:
        return _GRADES[value]
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Refused(f"{label}: its score {value!r} is neither a number nor one of {', '.join(_GRADES)}") from None
