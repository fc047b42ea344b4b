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

TABLE, FIGURES = "profile.parquet", "profile"


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
    for name, content in files.items():
        place.child(name).write(content)
    return sorted(files)
