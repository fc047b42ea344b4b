"""Reads results of lm-evaluation-harness: `results_*.json`, and `samples_<task>_*.jsonl` with a score for each item.

A samples file does not name its model: the results file of the same run does, or else the folder that both are in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.tables.foreign.table import Refused, Table, as_text

KIND = "lm-eval results"
KIND_OF_SAMPLES = "lm-eval samples"
_DATE = re.compile(r"_(\d{4}-\d{2}-\d{2}T[\d\-.:]+?)\.jsonl?$")
_NO_METRICS = frozenset(("doc_id", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc"))
_COLUMNS = ("system", "seed", "dataset", "metric", "item", "score", "model_args", "num_fewshot")


def is_results(content: Any) -> bool:
    """Return whether JSON is the results file of a run."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("results"), dict)
        and bool({"config", "configs"} & set(content))
    )


def is_samples(content: Any) -> bool:
    """Return whether JSON lines are the samples of a run."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and "doc_id" in first and bool({"resps", "filtered_resps", "doc_hash"} & set(first))


def run_of(name: str) -> str | None:
    """Return the date in the name of a results or samples file, which files of one run share."""
    match = _DATE.search(name)
    return None if match is None else match[1]


def of_results(content: Mapping[str, Any], label: str, name: str) -> Table:
    """Return one row for each task and metric of a results file. Raises Refused if it holds none."""
    tasks = [task for task in content["results"] if task in (content.get("configs") or content["results"])]
    rows = [
        {**_about(content, name, task), "metric": _metric(*key.partition(",")[::2]), "score": as_text(value)}
        for task in tasks
        for key, value in content["results"][task].items()
        if _is_number(value) and "_stderr" not in key and key not in ("alias", "sample_len")
    ]
    return _table(rows, label, KIND)


def of_samples(content: Sequence[Mapping[str, Any]], label: str, name: str, results: Mapping[str, Any] | None) -> Table:
    """Return one row for each item and metric of a samples file; `results` is the results file of the same run."""
    about = _about(results or {}, name, _task(name))
    rows = []
    for number, sample in enumerate(content, start=1):
        if not isinstance(sample, dict) or "doc_id" not in sample:
            raise Refused(f"{label}: line {number} has no doc_id; it is not a sample of lm-eval")
        for metric in sample.get("metrics") or [key for key in sample if key not in _NO_METRICS]:
            if _is_number(sample.get(metric)):
                named = _metric(metric, str(sample.get("filter", "none")))
                score = as_text(float(sample[metric]))
                rows.append({**about, "item": as_text(sample["doc_id"]), "metric": named, "score": score})
    return _table(rows, label, KIND_OF_SAMPLES)


def _table(rows: list[dict[str, str | None]], label: str, kind: str) -> Table:
    if not rows:
        raise Refused(f"{label}: holds no scores: no metric in it is a number for each item or task")
    names = [name for name in _COLUMNS if any(name in row for row in rows)]
    cells = pd.DataFrame(rows, columns=pd.Index(names, dtype=object), dtype=object)
    return Table(label, cells.where(cells.notna(), None), kind=kind)


def _about(content: Mapping[str, Any], name: str, task: str) -> dict[str, str | None]:
    config = content.get("config") or {}
    folder = name.replace("\\", "/").rstrip("/").split("/")[-2:-1]
    model = content.get("model_name") or (folder[0].replace("__", "/") if folder else None)
    shots = (content.get("n-shot") or {}).get(task)
    return {
        "system": as_text(model),
        "seed": as_text(config.get("random_seed", 0)),
        "dataset": task,
        "model_args": as_text(config.get("model_args")),
        "num_fewshot": as_text(shots),
    }


def _task(name: str) -> str:
    return _DATE.sub("", name.replace("\\", "/").rpartition("/")[2]).removeprefix("samples_").removesuffix(".jsonl")


def _metric(metric: str, filtered: str) -> str:
    return metric if filtered in ("", "none") else f"{metric},{filtered}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and value == value
