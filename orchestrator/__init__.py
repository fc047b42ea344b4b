"""Experiments, storage, executors and the command line.

The names in `__all__` are the Python API (`api.py`, `docs/python.md`). Each is imported when it is first used, so that
`import orchestrator` costs nothing.

Start with `commands/sweep.py`: what `orchestrate sweep` does from the experiment to the exit code. From there, top to
bottom:

`cli/` parses and prints, `api.py` does so for Python; `console/` is what a person sees; `commands/` are the verbs;
`hyperparameter_search/` proposes trials and ends them early; `executors/` execute runs, in this process or on Ray;
`worker/` turns one run into its record; `cluster/` starts clusters and sends jobs; `storage/` owns the results
directory; `config/` turns a file into run specs; `ray_private.py` has everything that uses Ray's private parts;
`errors.py`, `units.py` and `html_tables.py` import no other part. Imports lead down only
(`tests/architecture/layers.py` has the order). No subpackage may have the name of an exported function: importing it
would replace the function by the module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api import (
        Experiment,
        analyze,
        export,
        load_experiment,
        plan,
        predict,
        results,
        search,
        sweep,
    )
    from orchestrator.commands._execution import LayoutOptions
    from orchestrator.commands.sweep import SweepOptions
    from orchestrator.errors import CorruptResults, EnvironmentProblem, InvalidExperiment, LockedBySweep, UserError
    from trainables.data.dataset import DataError
    from trainables.modeling.hub import ModelError

    __version__: str

__all__ = [
    "CorruptResults",
    "DataError",
    "EnvironmentProblem",
    "Experiment",
    "InvalidExperiment",
    "LayoutOptions",
    "LockedBySweep",
    "ModelError",
    "SweepOptions",
    "UserError",
    "__version__",
    "analyze",
    "export",
    "load_experiment",
    "plan",
    "predict",
    "results",
    "search",
    "sweep",
]
_OWNERS = {
    "LayoutOptions": "orchestrator.commands._execution",
    "SweepOptions": "orchestrator.commands.sweep",
    **dict.fromkeys(
        ("CorruptResults", "EnvironmentProblem", "InvalidExperiment", "LockedBySweep", "UserError"),
        "orchestrator.errors",
    ),
    "DataError": "trainables.data.dataset",
    "ModelError": "trainables.modeling.hub",
}
"""The modules of the exported names that are not in `api.py`."""


def __getattr__(name: str) -> Any:
    """Import an exported name when it is first used, so that listing and help stay fast."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = _version() if name == "__version__" else _exported(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names that are loaded already and those that can be imported."""
    return sorted({*globals(), *__all__})


def _exported(name: str) -> Any:
    from importlib import import_module

    return getattr(import_module(_OWNERS.get(name, "orchestrator.api")), name)


def _version() -> str:
    """Return the installed distribution's version. Raises PackageNotFoundError in a source tree not installed."""
    from importlib.metadata import version

    return version("orchestrator")
