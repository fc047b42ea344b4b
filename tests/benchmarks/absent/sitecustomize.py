"""For processes that have this folder on their path: ray, datasets, optuna and bitsandbytes look as if not installed.

Neither can they be imported nor can their versions be read, as on a machine that was given wheels by hand.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

ABSENT = ("ray", "datasets", "optuna", "bitsandbytes")

_find_spec, _from_name, _distributions = (
    PathFinder.find_spec,
    importlib.metadata.Distribution.from_name,
    importlib.metadata.distributions,
)


def find_spec(cls: Any, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
    """As PathFinder does, which does not find these."""
    return None if name.partition(".")[0] in ABSENT else _find_spec(name, path, target)


def from_name(name: str) -> importlib.metadata.Distribution:
    """As importlib.metadata does, which does not find these."""
    if name.lower() in ABSENT:
        raise importlib.metadata.PackageNotFoundError(name)
    return _from_name(name)


def distributions(**context: Any) -> Iterable[importlib.metadata.Distribution]:
    """As importlib.metadata does, without these."""
    return (found for found in _distributions(**context) if found.metadata["Name"].lower() not in ABSENT)


PathFinder.find_spec = classmethod(find_spec)  # type: ignore[method-assign,assignment]
importlib.metadata.Distribution.from_name = staticmethod(from_name)  # type: ignore[method-assign,assignment]
importlib.metadata.distribution = from_name
importlib.metadata.distributions = distributions
