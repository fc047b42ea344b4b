"""`orchestrate analyze`: analyses results and writes tables, figures and the report to one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from analysis.analyze import Analysis, analyze_results
from analysis.config import CompareConfig
from analysis.report.write import FIGURES, kinds_of, write
from analysis.tables.folder import Folder, LinkedOutside
from analysis.tables.foreign.vocabulary import is_smaller_better
from analysis.tables.read import SUFFIXES, Columns, Results, read
from analysis.tables.schema import Corrupt
from orchestrator import html_tables
from orchestrator.config.error_messages import from_validation
from orchestrator.config.yaml_file import Document
from orchestrator.errors import InvalidExperiment, UserError
from orchestrator.storage import explained
from orchestrator.storage.find_results import source_of

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "analysis"
REPORT = "report.html"
SYSTEM_COLUMNS = ("system", "n", "mean", "std", "min", "max")
PAIR_COLUMNS = ("a", "b", "n_pairs", "mean_diff", "primary_ci_low", "primary_ci_high", "primary_p_holm", "verdict")


@dataclass(frozen=True)
class AnalyzeResult:
    """An analysis, and the folder with its files."""

    analysis: Analysis
    folder: str

    @property
    def report(self) -> str:
        """The path of the report."""
        return f"{self.folder}/{REPORT}"

    @property
    def verdict(self) -> str:
        """The result in one sentence: the headline of the report."""
        return self.analysis.headline

    @property
    def verdicts(self) -> dict[tuple[str, str], str]:
        """Each pair's verdict on its first system: better, worse, equivalent, ...; every pair is there once."""
        pairs = self.comparisons
        return dict(zip(zip(pairs["a"], pairs["b"], strict=True), pairs["verdict"], strict=True)) if len(pairs) else {}

    @property
    def systems(self) -> pd.DataFrame:
        """One row per system, the best mean first; `Analysis` documents the columns."""
        return self.analysis.systems

    @property
    def comparisons(self) -> pd.DataFrame:
        """One row per pair, with differences, intervals, p-values and verdict; `Analysis` documents the columns."""
        return self.analysis.comparisons

    def _repr_html_(self) -> str:
        parts = [html_tables.paragraph(self.verdict)]
        for frame, columns in ((self.systems, SYSTEM_COLUMNS), (self.comparisons, PAIR_COLUMNS)):
            if len(frame):
                rows = frame[list(columns)].astype(object).to_numpy().tolist()
                parts.append(html_tables.table(columns, rows))
        return "".join(parts) + html_tables.paragraphs((*self.analysis.warnings, f"report: {self.report}"))


def analyze(
    sources: Sequence[str],
    out: str | None = None,
    compare: Mapping[str, Any] | None = None,
    columns: Columns | None = None,
    generator_seed: int = 0,
    figures: Sequence[str] = FIGURES,
) -> AnalyzeResult:
    """Analyse results directories or tables, and write everything to `out`.

    A source may also be the name or the file of an experiment with results under `results/`. `compare` replaces single
    keys of the experiment file's `compare`; `columns` says what the columns of tables of other tools mean; `figures`
    are formats of figures, () for none. Raises UserError for sources that cannot be compared and an `out` that cannot
    be written, Corrupt for damaged sources.
    """
    _check_formats(figures)
    sources = [source_of(source) for source in sources]
    folder = _opened(out) if out else _default_folder(sources)
    try:
        results = _read(sources, columns or Columns(), compare or {})
        options = _options(results.experiment, compare or {})
        analysis = analyze_results(results, options=options, generator_seed=generator_seed)
    except (UserError, Corrupt):
        raise
    except FileNotFoundError as error:
        path = error.filename
        raise UserError(f"{path}: there is no such file or directory" if path else str(error)) from error
    except ValueError as error:
        raise UserError(str(error)) from error
    _write(analysis, folder, figures)
    return AnalyzeResult(analysis, folder.label())


def _read(sources: Sequence[str], columns: Columns, compare: Mapping[str, Any]) -> Results:
    """Read the sources. Raises UserError for scores whose name says that smaller is better, unless that is settled."""
    metric = compare.get("metric")
    direction = compare.get("direction")
    known = replace(columns, metric=metric if isinstance(metric, str) else None)
    results = read(sources, columns=known, direction="minimize" if direction == "minimize" else "maximize")
    metrics = results.runs["metric"].dropna().unique().tolist() if "metric" in results.runs.columns else []
    smaller = [name for name in metrics if is_smaller_better(str(name))]
    if smaller and direction is None and results.experiment is None:
        raise UserError(
            f"of {smaller[0]!r}, smaller values seem to be better: say so with --direction minimize, or deny it with "
            "--direction maximize"
        )
    return results


def _check_formats(figures: Sequence[str]) -> None:
    try:
        kinds_of(figures)
    except ValueError as error:
        raise UserError(str(error)) from error


def _opened(out: str) -> Folder:
    try:
        return Folder.at(out, private=False)
    except (ValueError, ImportError, OSError) as error:
        raise UserError(f"--out {out!r} cannot be opened: {error}") from error


def _write(analysis: Analysis, folder: Folder, figures: Sequence[str]) -> None:
    try:
        with explained(folder.label()):
            write(analysis, folder, figures)
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
    """Return `analysis/` in a single results directory, `<name>-analysis/` beside a table, `analysis/` for several.

    The user did not name this folder, so it must not be a link that leads out of the one above. Raises UserError.
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
