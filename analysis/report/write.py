"""Write everything an analysis produces: tables for programs and papers, figures with their data, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import pandas as pd
import pyarrow as pa

from analysis import registry
from analysis.plotting.figure import Kind
from analysis.report import export_tables
from analysis.result import Analysis
from analysis.tables import read
from analysis.tables.folder import Folder
from analysis.tables.schema import to_parquet_bytes

KINDS: tuple[Kind, ...] = get_args(Kind)
FIGURES = ("svg",)  # what is written unless asked otherwise: the report's own images
TABLES = (
    "summary_statistics", "statistical_tests", "item_disagreements", "optional_tests", "failure_sensitivity", "tasks",
    "search",
)  # fmt: skip


def write(analysis: Analysis, folder: str | Path | Folder, figures: Sequence[str] = FIGURES) -> list[str]:
    """Write the tables, `figures/` and `report.html` to a directory or URI; return the files, relative and sorted.

    `figures` are their formats (svg, pdf, png), () for none. A PDF takes as long as the figure, a PNG half as long.
    """
    return put(render(analysis, figures), folder)


def render(analysis: Analysis, figures: Sequence[str] = FIGURES) -> dict[str, bytes]:
    """Return file name (relative, with `/`) -> bytes of everything that `write` writes."""
    from analysis.plotting import draw_all
    from analysis.report import page, paper_tables

    if not figures:
        return tables(analysis) | paper_tables.files(analysis) | {"report.html": page.render(analysis, {}).encode()}
    drawn = draw_all.draw(analysis, kinds_of(figures))
    files = tables(analysis) | paper_tables.files(analysis)
    for name, formats in drawn.files.items():
        files |= {f"figures/{name}.{suffix}": content for suffix, content in formats.items()}
    return files | {"report.html": page.render(analysis, drawn.svgs, drawn.notes, figures).encode()}


def kinds_of(figures: Sequence[str]) -> tuple[Kind, ...]:
    """Return these formats, with SVG, which the report shows. Raises ValueError for an unknown one."""
    unknown = [name for name in figures if name not in KINDS]
    if unknown:
        raise ValueError(f"figures: unknown format {unknown[0]!r}; known: {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind == "svg" or kind in figures)


def put(files: Mapping[str, bytes], folder: str | Path | Folder) -> list[str]:
    """Write these files to a directory or URI and delete the leftovers of an earlier analysis; return their names.

    Raises LinkedOutside, before anything is written, if a directory in it is a link that leads outside.
    """
    target = folder if isinstance(folder, Folder) else Folder.at(folder, private=False)
    stale = _stale(target, files)
    for name in (*files, *stale):
        target.refuse_link_out(name)
    for name, content in files.items():
        target.write(name, content)
    for name in stale:
        target.delete(name)
    return sorted(files)


def _stale(folder: Folder, files: Mapping[str, bytes]) -> list[str]:
    """Return what an earlier analysis wrote and this one does not; files with other names are not ours."""
    ours = set(registry.names("figure"))
    drawn = folder.child("figures").file_names()
    figures = [f"figures/{name}" for name in drawn if name.partition(".")[0] in ours]
    written = [name for name in folder.file_names() if name.partition(".")[0] in TABLES]
    return [name for name in (*figures, *written) if name not in files]


def tables(analysis: Analysis) -> dict[str, bytes]:
    """Return file name -> bytes of the summary, the tests and, if there are predictions, the disagreements.

    After a search without a comparison there is only the table of the search.
    """
    frames = export_tables.more_tables(analysis)
    if not analysis.systems.empty:
        frames |= {
            "summary_statistics": export_tables.summary_table(analysis),
            "statistical_tests": export_tables.test_table(analysis),
        }
    disagreements = export_tables.disagreement_table(analysis)
    if disagreements is not None:
        frames["item_disagreements"] = disagreements
    files = {f"{name}.csv": read.to_csv(frame) for name, frame in frames.items()}
    return files | {f"{name}.parquet": to_parquet_bytes(_table(frame)) for name, frame in frames.items()}


def _table(frame: pd.DataFrame) -> pa.Table:
    """Convert to Arrow; columns without any value become floating-point, because no reader can use a null type."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    fields = [field.with_type(pa.float64()) if pa.types.is_null(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))
