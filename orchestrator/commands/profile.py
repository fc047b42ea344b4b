"""`orchestrate profile`: measures speed, memory and time of each system, alone in fresh processes that take turns.

Writes a table, and bar charts with their data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.plotting import profile_figures
from analysis.plotting.figure import NotApplicable
from analysis.tables import read
from analysis.tables.folder import Folder
from analysis.tables.profile import MEASURED, to_table
from analysis.tables.schema import to_parquet_bytes
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import System
from orchestrator.errors import EXIT_FAILED_RUNS, UserError
from orchestrator.storage import explained
from trainables.system import fresh_process
from trainables.system.fresh_process import ProcessFailed

STEPS, ROUNDS = 30, 3
TABLE, FIGURES = "profile.parquet", "profile"
Row = dict[str, Any]
Measure = Callable[[System, int, int], Row]


def in_fresh_process(system: System, steps: int, warmup: int) -> Row:
    """Measure a system in a process of its own."""
    request = {"config": system.config.model_dump(mode="json"), "steps": steps, "warmup": warmup}
    try:
        return _with_utilisation(fresh_process.call("trainables.tools.profile:run_profile", request))
    except ProcessFailed as error:
        return {"result": "failed", "reason": str(error)}


def profile(
    resolved: ResolvedExperiment,
    *,
    steps: int = STEPS,
    warmup: int | None = None,
    rounds: int = ROUNDS,
    on_result: Callable[[Row], None] = lambda row: None,
    measure: Measure = in_fresh_process,
) -> list[Row]:
    """Measure every system `rounds` times; return rows of `analysis.tables.profile`, and call `on_result` with each.

    Rounds go through the systems forwards and backwards in turn, so that a machine that becomes slower affects all of
    them alike. A system that could not be measured is not tried again. `warmup` None: as many steps as are measured.
    """
    rows: list[Row] = []
    lost: set[str] = set()
    for number, systems in _turns(resolved.systems, rounds):
        for system in systems:
            if system.name in lost:
                continue
            measured = _unsupported(system) or measure(system, steps, steps if warmup is None else warmup)
            row = {**_named(resolved, system), "round": number, **measured}
            if row["result"] != MEASURED:
                lost.add(system.name)
            rows.append(row)
            on_result(row)
    order = [system.name for system in resolved.systems]
    return sorted(rows, key=lambda row: (order.index(row["system"]), row["round"]))


def exit_code(rows: Sequence[Row]) -> int:
    """Return 0 if every system was measured or is unsupported on this machine."""
    return EXIT_FAILED_RUNS if any(row["result"] not in (MEASURED, "unsupported") for row in rows) else 0


def _unsupported(system: System) -> Row | None:
    return None if system.unsupported is None else {"result": "unsupported", "reason": system.unsupported}


def _turns(systems: Sequence[System], rounds: int) -> Iterator[tuple[int, Sequence[System]]]:
    for number in range(1, rounds + 1):
        yield number, systems if number % 2 else systems[::-1]


def _named(resolved: ResolvedExperiment, system: System) -> Row:
    train = system.config.train
    return {
        "experiment": resolved.experiment.experiment,
        "system": system.name,
        "model": system.model,
        "recipe": system.recipe,
        "control": system.control,
        "batch_size": train.batch_size,
        "max_length": train.max_length,
    }


def _with_utilisation(row: Mapping[str, Any]) -> Row:
    if row["result"] != MEASURED:
        return dict(row)
    share = row["model_operations_per_second"] / row["ceiling_operations_per_second"]
    return {**row, "utilisation": share}


def check(out: str) -> None:
    """Raise UserError for an `out` that `write` would refuse, before time is spent on measuring."""
    try:
        Folder.at(out).refuse_link_out(f"{FIGURES}/{profile_figures.SPEED.name}.csv")
    except (ValueError, ImportError, OSError) as error:
        raise UserError(f"--out {out}: {error}") from error


def write(rows: Sequence[dict[str, Any]], out: str) -> list[str]:
    """Write `profile.parquet` and the figures under `profile/` to a directory or URI; return names relative to it."""
    from analysis.plotting import render

    table = to_table(rows)
    files = {TABLE: to_parquet_bytes(table)}
    frame: pd.DataFrame = table.to_pandas()
    for figure, data in ((profile_figures.SPEED, profile_figures.bars), (profile_figures.TIME, profile_figures.phases)):
        try:
            drawn = data(frame)
        except NotApplicable:
            continue
        files[f"{FIGURES}/{figure.name}.csv"] = read.to_csv(drawn)
        for kind, content in render.render(figure, drawn).items():
            files[f"{FIGURES}/{figure.name}.{kind}"] = content
    folder = Folder.at(out, private=False)
    with explained(folder.label()):
        for name, content in files.items():
            folder.write(name, content)
    return sorted(files)
