"""Finds results: the directory that a command's argument means."""

from __future__ import annotations

import contextlib
from pathlib import Path

from analysis.tables.folder import Folder
from analysis.tables.results_directory import is_results_directory
from orchestrator.config import load
from orchestrator.errors import UserError
from orchestrator.storage import Store

RESULTS = Path("results")


def default_out(experiment: str) -> str:
    """Return the directory where a sweep puts its results by default."""
    return str(RESULTS / experiment)


def open_results(where: str | None) -> Store:
    """Open the results at a directory or URI, or those under `results/` of the experiment with that name or file.

    None: the only results directory under `results/`. Raises UserError if there is none, or more than one.
    """
    if where is None:
        return Store.open(_only_one())
    if "://" in where or load.is_results(Path(where)):
        return Store.open(where)
    name = load.name_in(Path(where)) if Path(where).is_file() else where
    if load.is_results(RESULTS / name):
        return Store.open(RESULTS / name)
    raise UserError(f"no results in {RESULTS / name}; known: {', '.join(map(str, results_directories())) or 'none'}")


def source_of(where: str) -> str:
    """Return what an analysis reads: a directory, table or URI as it is, else the results of an experiment (or file).

    Raises UserError if there is neither.
    """
    path = Path(where).expanduser()
    name = load.named_by(where)
    if name is None and ("://" in where or path.is_file() or is_results_directory(Folder.at(where))):
        return where
    if (name or path.name == where) and load.is_results(RESULTS / (name or where)):
        return str(RESULTS / (name or where))
    if path.is_dir():
        return where
    listed = ", ".join(map(str, results_directories())) or "none"
    missing = f"there are no results in {RESULTS / name}" if name else "no such file, directory or experiment"
    raise UserError(f"{where}: {missing}; results: {listed}")


def results_directories() -> list[Path]:
    """List every results directory under `results/`."""
    return sorted(path for path in RESULTS.glob("*") if load.is_results(path))


def _only_one() -> Path:
    candidates = results_directories()
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise UserError(
            f"no results under {RESULTS.absolute()}; run `orchestrate sweep EXPERIMENT`, or name the directory"
        )
    raise UserError(f"more than one results directory; name one of {', '.join(map(str, candidates))}")


def find_run(reference: str, where: str | None) -> tuple[Store, str]:
    """Return the run that `reference` names (beginning of an id, or system:seed) and its results.

    `where` None: look in every directory under `results/`. Raises UserError if there is none, or more than one.
    """
    if where is not None or len(results_directories()) < 2:
        store = open_results(where)
        return store, store.resolve_run(reference)
    matches = []
    for path in results_directories():
        store = Store.open(str(path))
        with contextlib.suppress(UserError):
            matches.append((store, store.resolve_run(reference)))
    if len(matches) != 1:
        which = "no run" if not matches else f"{len(matches)} results directories have a run"
        raise UserError(f"{which} {reference!r} under {RESULTS}; say which directory with --out")
    return matches[0]
