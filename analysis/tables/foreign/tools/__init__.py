"""One file per program whose exported tables are recognised by their columns; each exports one `TOOL`.

Start with `__init__.py`, the contract, and with `mlflow.py` for an example. Imports `foreign.table` and
`foreign.vocabulary` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A program, in words; how its tables are recognised by their column names, and which columns are what.

    A column of `is_setting` is a setting even if every run has another value; one of `is_outcome` never is. `warning`
    is what a reader of every such table must know.
    """

    name: str
    recognises: Callable[[Sequence[str]], bool]
    is_setting: Callable[[str], bool]
    is_outcome: Callable[[str], bool]
    warning: str | None = None
