"""Tables exported from the runs page of W&B: `Name`, `State`, and settings and results side by side."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.tables.foreign.tools import Tool
from analysis.tables.foreign.vocabulary import is_outcome

_OF_THE_PAGE = frozenset((
    "Name", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "ID", "Hostname", "Updated", "End Time",
    "Start Time", "Relative Time", "Host", "OS", "Commit", "GPU Count", "GPU Type", "CPU Count", "Python version",
))  # fmt: skip


def _recognises(names: Sequence[str]) -> bool:
    return {"Name", "State"} <= set(names) and len(_OF_THE_PAGE & set(names)) > 2


TOOL = Tool(
    name="a W&B export",
    recognises=_recognises,
    is_setting=lambda name: False,  # the columns do not say which were settings: their names and values do
    is_outcome=lambda name: name in _OF_THE_PAGE or is_outcome(name),
)
