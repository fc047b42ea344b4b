"""Tables of `study.trials_dataframe()` of Optuna: `number`, `value`, `params_<name>`, `state`."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.tables.foreign.tools import Tool


def _recognises(names: Sequence[str]) -> bool:
    has_value = any(name == "value" or name.startswith("values_") for name in names)
    return "number" in names and has_value and any(name.startswith("params_") for name in names)


TOOL = Tool(
    name="Optuna trials",
    recognises=_recognises,
    is_setting=lambda name: name.startswith("params_"),
    is_outcome=lambda name: not name.startswith("params_"),
    warning="a search tries good settings more often: trials show a difference less surely than runs that were planned",
)
