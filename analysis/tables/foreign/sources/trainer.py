"""Reads folders of the Trainer of transformers: `all_results.json` or `trainer_state.json`, one folder for each run.

Neither file names its model or seed: the folder names do, such as `bert-seed1/` or `bert/seed_1/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.tables.foreign.table import Refused, Table, as_text, listed

KIND = "results of the Trainer"
RESULTS, STATE = "all_results.json", "trainer_state.json"
_SEED = re.compile(r"(?:^|[-_./ ])(?:seed|s|run|rs)[-_=. ]?(\d+)(?=$|[-_./ ])", re.IGNORECASE)
_CHECKPOINT = re.compile(r"/?checkpoint-(\d+)$")
_PARTS = ("eval_", "test_", "predict_")
_SPEEDS = ("_runtime", "_samples", "_per_second", "_model_preparation_time", "_steps")


def files_of(names: Sequence[str]) -> list[str]:
    """Return one file for each run: its results, else its state, else the state of its last checkpoint."""
    chosen: dict[str, tuple[tuple[int, int], str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        if file not in (RESULTS, STATE):
            continue
        checkpoint = _CHECKPOINT.search(folder)
        rank = (0, int(checkpoint[1])) if checkpoint else (2, 0) if file == RESULTS else (1, 0)
        run = _CHECKPOINT.sub("", folder)
        if run not in chosen or rank > chosen[run][0]:
            chosen[run] = rank, name
    return [name for _, name in chosen.values()]


def table(contents: Mapping[str, Any], label: str) -> Table:
    """Return one row for each run, by the names of the files. Raises Refused if a folder's name has no seed."""
    rows: list[dict[str, str | None]] = []
    for name, content in contents.items():
        folder = _CHECKPOINT.sub("", name.rpartition("/")[0])
        system, seed = _named(folder, label)
        rows.append({"system": system, "seed": seed, **_scores(content, f"{label}/{name}")})
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = pd.DataFrame(rows, columns=pd.Index(names, dtype=object), dtype=object)
    first = f"{rows[0]['system']} seed {rows[0]['seed']}"
    notes = [f"{label}: systems and seeds are read from the names of {len(rows)} folders (the first: {first})"]
    if any(name.endswith(STATE) for name in contents):
        notes.append(f"{label}: of {STATE}, the last evaluation is read")
    outcomes = frozenset(names) - {"system", "seed"}
    return Table(label, cells.where(cells.notna(), None), tuple(notes), kind=KIND, outcomes=outcomes)


def _named(folder: str, label: str) -> tuple[str, str]:
    """Return system and seed: what the folder is called without its seed, and the seed."""
    seeds = list(_SEED.finditer(folder))
    if seeds:
        last = seeds[-1]
        rest = (folder[: last.start()] + folder[last.end() :]).strip("-_./ ")
        return rest or label.rstrip("/").rpartition("/")[2], last[1]
    above, _, own = folder.rpartition("/")
    if own.isdigit():
        return above or label.rstrip("/").rpartition("/")[2], own
    raise Refused(
        f"{label}: the folder {folder or '.'!r} does not say its seed; call the folders system-seed1, or write a CSV "
        "with system, seed and score"
    )


def _scores(content: Any, label: str) -> dict[str, str | None]:
    if not isinstance(content, dict):
        raise Refused(f"{label}: is not the result of a run: a JSON object is needed")
    if isinstance(content.get("log_history"), list):
        evaluated = [entry for entry in content["log_history"] if any(str(key).startswith(_PARTS) for key in entry)]
        content = evaluated[-1] if evaluated else {}
    scores = {
        key: as_text(value)
        for key, value in content.items()
        if (key.startswith(_PARTS) or key == "perplexity")
        and not key.endswith(_SPEEDS)
        and isinstance(value, int | float)
    }
    if not scores:
        raise Refused(
            f"{label}: holds no evaluated metric; it has: {listed([str(key) for key in content]) or 'nothing'}"
        )
    return scores
