"""What `orchestrate profile` leaves behind: the table, and bars with their data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.plotting import profile_figures
from analysis.plotting.figure import NotApplicable
from analysis.tables import csv_export
from analysis.tables.folder import Place
from analysis.tables.profile import to_table
from analysis.tables.schema import to_parquet_bytes
from orchestrator.errors import UserError
from orchestrator.storage.disk_errors import explained

TABLE, FIGURES = "profile.parquet", "profile"


def check(out: str) -> None:
    """Raise UserError for an `out` that `write` would refuse: measuring takes a while, and would be in vain."""
    try:
        Place.at(out).child(f"{FIGURES}/{profile_figures.SPEED.name}.csv").refuse_links_out()
    except (ValueError, OSError) as error:
        raise UserError(f"--out {out}: {error}") from error


def write(rows: Sequence[dict[str, Any]], out: str) -> list[str]:
    """Write `profile.parquet` and the figures under `profile/` to a directory or URI; returns names, relative to it."""
    from analysis.plotting import render

    table = to_table(rows)
    files = {TABLE: to_parquet_bytes(table)}
    frame: pd.DataFrame = table.to_pandas()
    for figure, data in ((profile_figures.SPEED, profile_figures.bars), (profile_figures.TIME, profile_figures.phases)):
        try:
            drawn = data(frame)
        except NotApplicable:
            continue
        files[f"{FIGURES}/{figure.name}.csv"] = csv_export.to_csv(drawn)
        for kind, content in render.render(figure, drawn).items():
            files[f"{FIGURES}/{figure.name}.{kind}"] = content
    place = Place.at(out)
    with explained(out):
        for name, content in files.items():
            place.child(name).write(content)
    return sorted(files)
