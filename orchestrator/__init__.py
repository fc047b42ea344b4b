"""Experiments, storage, executors and the command line."""

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
