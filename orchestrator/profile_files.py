"""What `orchestrate profile` leaves behind: the table, and bars with their data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import profile_figures, spreadsheet
from analysis.figure import NotApplicable
from analysis.place import Place
from analysis.profile import to_table
from analysis.table import to_parquet_bytes
from orchestrator.errors import UserError
from orchestrator.storage.disk import explained

TABLE, FIGURES = "profile.parquet", "profile"


def check(out: str) -> None:
    """Raise UserError for an `out` that `write` would refuse: measuring takes a while, and would be in vain."""
    try:
        Place.at(out).child(f"{FIGURES}/{profile_figures.SPEED.name}.csv").refuse_links_out()
    except (ValueError, OSError) as error:
        raise UserError(f"--out {out}: {error}") from error


def write(rows: Sequence[dict[str, Any]], out: str) -> list[str]:
    """Write `profile.parquet` and the figures under `profile/` to a directory or URI; returns names, relative to it."""
    from analysis import picture

    table = to_table(rows)
    files = {TABLE: to_parquet_bytes(table)}
    frame: pd.DataFrame = table.to_pandas()
    for figure, data in ((profile_figures.SPEED, profile_figures.bars), (profile_figures.TIME, profile_figures.phases)):
        try:
            drawn = data(frame)
        except NotApplicable:
            continue
        files[f"{FIGURES}/{figure.name}.csv"] = spreadsheet.to_csv(drawn)
        for kind, content in picture.render(figure, drawn).items():
            files[f"{FIGURES}/{figure.name}.{kind}"] = content
    place = Place.at(out)
    with explained(out):
        for name, content in files.items():
            place.child(name).write(content)
    return sorted(files)
