"""Where results are: the directory that an argument of a command means."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import UserError
from orchestrator.storage import Store

RESULTS = Path("results")


def default_out(experiment: str) -> str:
    """Where a sweep puts its results unless it is told otherwise."""
    return str(RESULTS / experiment)


def open_results(where: str | None) -> Store:
    """The results at a directory or URI, or those of the experiment with that name under `results/`.

    None: the only results directory under `results/`. Raises UserError where there is none, or several.
    """
    if where is None:
        return Store.open(_only_one())
    if "://" in where or is_results(Path(where)):
        return Store.open(where)
    if is_results(RESULTS / where):
        return Store.open(str(RESULTS / where))
    raise UserError(f"no results in {where} or {RESULTS / where}; known: {', '.join(map(str, found())) or 'none'}")


def found() -> list[Path]:
    """Every results directory under `results/`."""
    return sorted(path for path in RESULTS.glob("*") if is_results(path))


def is_results(path: Path) -> bool:
    """Whether a sweep wrote here."""
    return (path / "cells.json").is_file() or (path / "runs").is_dir()


def _only_one() -> Path:
    candidates = found()
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise UserError(f"no results under {RESULTS.absolute()}; run `orchestrate sweep EXPERIMENT`, or name the directory")
    raise UserError(f"several results: say which of {', '.join(map(str, candidates))}")
