"""Tables of `mlflow.search_runs`: `metrics.<name>`, `params.<name>`, `tags.<name>`, and the state in `status`."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.tables.foreign.tools import Tool


def _recognises(names: Sequence[str]) -> bool:
    has_metrics = any(name.startswith("metrics.") for name in names)
    return has_metrics and (any(name.startswith("params.") for name in names) or "experiment_id" in names)


TOOL = Tool(
    name="an MLflow export",
    recognises=_recognises,
    is_setting=lambda name: name.startswith("params."),
    is_outcome=lambda name: not name.startswith("params."),
)
