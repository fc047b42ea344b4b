"""Experiments, storage, executors and the command line.

Start with `commands/sweep.py`: what `orchestrate sweep` does from the experiment to the exit code. From there, top to
bottom:

`cli/` parses and prints, `api.py` is the same for Python; `console/` is what a person sees; `commands/` are the verbs;
`search/` proposes trials and ends them early; `executors/` execute runs, in this process or on Ray; `worker/` turns one
run into its record; `cluster/` starts clusters and sends jobs; `storage/` owns the results directory; `config/` goes
from a file to run specs; `ray_private.py` has all that is private of Ray; `errors.py` and `units.py` import nobody.
Imports lead down only (`tests/architecture/layers.py` has the order).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api import analyze, load_experiment, search, sweep

__all__ = ["analyze", "load_experiment", "search", "sweep"]


def __getattr__(name: str) -> Any:
    """Import the small Python interface only when it is asked for, so that listing and help stay fast."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchestrator import api

    return getattr(api, name)
