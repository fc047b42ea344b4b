"""The command line's verbs for Python: load an experiment, sweep it, search, analyse results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.config import load
from orchestrator.config.load import Loaded
from orchestrator.config.overrides import Changes
from orchestrator.config.seeds import render_seeds

if TYPE_CHECKING:
    from orchestrator.commands.analyze import Conclusion
    from orchestrator.commands.search import SearchResult
    from orchestrator.commands.sweep import SweepOptions, SweepResult


def load_experiment(
    name_or_path: str | Path,
    *,
    models: Sequence[str] | None = None,
    recipes: Sequence[str] | None = None,
    seeds: Iterable[int] | str | None = None,
    data: str | Path | None = None,
    limit: int | None = None,
    settings: Mapping[str, Any] | None = None,
    run_code: bool = False,
) -> Loaded:
    """Read a built-in experiment or a file; the keywords replace what it says, as the command line's options do.

    `settings` maps dotted keys to values: `{"train.epochs": 2}`. `run_code` lets the file of a results directory run
    the Python files that it names. Raises InvalidExperiment with every problem.
    """
    changes = Changes(
        models=None if models is None else tuple(models),
        recipes=None if recipes is None else tuple(recipes),
        seeds=seeds if isinstance(seeds, str) or seeds is None else render_seeds(seeds),
        data=None if data is None else str(data),
        limit=limit,
        values=dict(settings or {}),
    )
    return load.load(str(name_or_path), changes, run_code=run_code)


def sweep(experiment: Loaded | str | Path, options: SweepOptions | None = None) -> SweepResult:
    """Execute every cell of the grid that has no record yet, from the main thread. Raises what the command reports."""
    from orchestrator.commands.sweep import SweepOptions
    from orchestrator.commands.sweep import sweep as execute
    from orchestrator.config.resolve import resolve

    loaded = experiment if isinstance(experiment, Loaded) else load_experiment(experiment)
    return execute(resolve(loaded), options or SweepOptions())


def search(experiment: Loaded | str | Path, options: SweepOptions | None = None) -> SearchResult:
    """Spend the budget of the experiment's `search`, from the main thread. Raises what the command reports."""
    from orchestrator.commands.search import search as look_for
    from orchestrator.commands.sweep import SweepOptions
    from orchestrator.config.resolve import resolve

    loaded = experiment if isinstance(experiment, Loaded) else load_experiment(experiment)
    return look_for(resolve(loaded), options or SweepOptions())


def analyze(
    *sources: str | Path,
    out: str | Path | None = None,
    compare: Mapping[str, Any] | None = None,
    generator_seed: int = 0,
) -> Conclusion:
    """Compare the systems in results directories or tables, and write tables, figures and the report.

    `compare` replaces keys of the experiment's `compare`. Raises UserError for what cannot be compared.
    """
    from orchestrator.commands.analyze import conclude

    folder = None if out is None else str(out)
    return conclude([str(source) for source in sources], out=folder, compare=compare, generator_seed=generator_seed)
