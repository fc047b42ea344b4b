"""Ends a sweep with its answer: analyses results and writes tables, figures and the report to one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analysis.analyze import Analysis, analyze_results
from analysis.config import CompareConfig
from analysis.report.write import write
from analysis.tables.folder import LinkedOutside, Place
from analysis.tables.read import read
from analysis.tables.schema import Corrupt
from orchestrator.config.error_messages import from_validation
from orchestrator.config.yaml_file import Document
from orchestrator.errors import InvalidExperiment, UserError
from orchestrator.storage import explained
from orchestrator.storage.find_results import source_of

FOLDER = "analysis"
REPORT = "report.html"


@dataclass(frozen=True)
class Conclusion:
    """The answer, and where its files are."""

    analysis: Analysis
    folder: str

    @property
    def report(self) -> str:
        """The page to open."""
        return f"{self.folder}/{REPORT}"


def conclude(
    sources: Sequence[str],
    *,
    out: str | None = None,
    compare: Mapping[str, Any] | None = None,
    generator_seed: int = 0,
) -> Conclusion:
    """Analyse results directories or tables, and write everything to `out`.

    A source may also be the name or the file of an experiment: its results under `results/` are meant. `compare`
    replaces single keys of the experiment file's `compare`. Raises UserError for sources that cannot be compared and
    for an `out` that cannot be written to, Corrupt for damaged sources.
    """
    sources = [source_of(source) for source in sources]
    place = _place(sources, out)
    try:
        results = read(sources)
        options = _options(results.experiment, compare or {})
        found = analyze_results(results, options=options, generator_seed=generator_seed)
    except (UserError, Corrupt):
        raise
    except FileNotFoundError as error:
        named = error.filename
        raise UserError(f"{named}: there is no such file or directory" if named else str(error)) from error
    except ValueError as error:
        raise UserError(str(error)) from error
    _write(found, place)
    return Conclusion(found, place.label)


def _place(sources: Sequence[str], out: str | None) -> Place:
    """Where the files go. An `out` may be a link to anywhere; a folder that nobody named may not."""
    if not out:
        return Place.at(default_folder(sources)).named_by_us()
    try:
        return Place.at(out)
    except (ValueError, OSError) as error:
        raise UserError(f"--out {out!r} cannot be opened: {error}") from error


def _write(found: Analysis, place: Place) -> None:
    try:
        with explained(place.label):
            write(found, place)
    except LinkedOutside as error:
        raise UserError(str(error)) from error


def _options(experiment: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> CompareConfig:
    written = {**((experiment or {}).get("compare") or {}), **changes}
    try:
        return CompareConfig.model_validate(written)
    except ValidationError as error:
        document = Document("compare", dict(written))
        raise InvalidExperiment("compare", from_validation(error, document, CompareConfig)) from None


def default_folder(sources: Sequence[str]) -> str:
    """`analysis/` inside the only results directory; beside a table, `<name>-analysis/`; of several, `analysis/`."""
    if len(sources) != 1:
        return FOLDER
    source = sources[0].rstrip("/")
    if Path(source).is_file() or source.endswith((".csv", ".tsv", ".parquet")):
        return f"{source.rpartition('.')[0]}-{FOLDER}"
    return f"{source}/{FOLDER}"
