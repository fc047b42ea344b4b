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
from analysis.tables.folder import Folder, LinkedOutside
from analysis.tables.read import SUFFIXES, read
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
    folder = _opened(out) if out else _default_folder(sources)
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
    _write(found, folder)
    return Conclusion(found, folder.label())


def _opened(out: str) -> Folder:
    try:
        return Folder.at(out, private=False)
    except (ValueError, ImportError, OSError) as error:
        raise UserError(f"--out {out!r} cannot be opened: {error}") from error


def _write(found: Analysis, folder: Folder) -> None:
    try:
        with explained(folder.label()):
            write(found, folder)
    except LinkedOutside as error:
        raise UserError(str(error)) from error


def _options(experiment: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> CompareConfig:
    written = {**((experiment or {}).get("compare") or {}), **changes}
    try:
        return CompareConfig.model_validate(written)
    except ValidationError as error:
        document = Document("compare", dict(written))
        raise InvalidExperiment("compare", from_validation(error, document, CompareConfig)) from None


def _default_folder(sources: Sequence[str]) -> Folder:
    """`analysis/` inside the only results directory; beside a table, `<name>-analysis/`; of several, `analysis/`.

    Nobody named this folder, so it may be no link that leads out of the one above. Raises UserError.
    """
    above, name = _above(sources)
    try:
        return Folder.at(above, private=False).child(name)
    except (ValueError, ImportError, OSError) as error:
        raise UserError(str(error)) from error


def _above(sources: Sequence[str]) -> tuple[str, str]:
    if len(sources) != 1:
        return ".", FOLDER
    source = sources[0].rstrip("/")
    if Path(source).is_file() or source.endswith(SUFFIXES):
        above, separator, name = source.rpartition("/")
        return above + separator or ".", f"{name.rpartition('.')[0]}-{FOLDER}"
    return source or "/", FOLDER
