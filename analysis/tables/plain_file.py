"""Runs from one CSV, TSV or Parquet file, also one that another tool made: system (or model), seed, score."""

from __future__ import annotations

import io

import pandas as pd

from analysis.tables.folder import Place
from analysis.tables.schema import Corrupt, read_parquet

SUFFIXES = (".csv", ".tsv", ".parquet")


def read_plain_file(place: Place) -> pd.DataFrame:
    """The rows of the file. Raises ValueError for another kind of file or no rows, Corrupt for a broken one."""
    suffix = "." + place.path.rsplit(".", 1)[-1].lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{place.label}: is neither a results directory nor one of {', '.join(SUFFIXES)}")
    data = place.read()
    if suffix == ".parquet":
        frame: pd.DataFrame = read_parquet(data, name=place.label).to_pandas()
    else:
        frame = _delimited(data, "\t" if suffix == ".tsv" else ",", place.label)
    if frame.empty:
        raise ValueError(f"{place.label}: holds no runs")
    return frame


def _delimited(data: bytes, separator: str, label: str) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(data), sep=separator, encoding="utf-8-sig", skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise Corrupt(f"{label}: {error}") from error
