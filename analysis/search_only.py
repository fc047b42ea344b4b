"""Analyzes a search that no comparison followed: what its trials show, without a verdict."""

from __future__ import annotations

import importlib.metadata

import pandas as pd

from analysis.comparison import failure_sensitivity, requested_tests
from analysis.comparison.failures import count_statuses
from analysis.comparison.systems import TASK_COLUMNS, numeric
from analysis.config import CompareConfig
from analysis.formatting import plural
from analysis.inference.descriptives import describe
from analysis.result import COMPARISON_COLUMNS, Analysis
from analysis.search.findings import Findings, read_findings
from analysis.tables.read import Results

NEXT = "orchestrate search EXPERIMENT --then-sweep"
CLAIM = (
    "These trials only (one seed each): their scores are on the items that settings were chosen by, so they say which "
    "settings to try, not which system is better."
)


def search_alone(results: Results, config: CompareConfig) -> Analysis:
    """Return an analysis without systems and comparisons. Raises ValueError if there are no trials either."""
    findings = read_findings(results, config.metric or "score", config.direction)
    if findings is None:
        raise ValueError("there are no runs to compare and no trials of a search")
    columns = [
        "system",
        "control",
        *describe([], config.alpha),
        *count_statuses(results.runs),
        "selected_on_evaluation",
    ]
    return Analysis(
        results=results,
        metric=findings.metric,
        direction=findings.direction,
        alpha=config.alpha,
        rope=config.rope,
        systems=numeric(pd.DataFrame(columns=columns)),
        comparisons=numeric(pd.DataFrame(columns=COMPARISON_COLUMNS.split())),
        omnibus={},
        warnings=tuple(dict.fromkeys([*results.warnings, *findings.warnings])),
        claim=CLAIM,
        headline=_headline(findings),
        provenance={"versions": {name: importlib.metadata.version(name) for name in ("numpy", "pandas", "pyarrow")}},
        sensitivity=pd.DataFrame(columns=list(failure_sensitivity.COLUMNS)),
        optional=pd.DataFrame(columns=list(requested_tests.COLUMNS)),
        tasks=pd.DataFrame(columns=list(TASK_COLUMNS)),
        search=findings,
        options=config,
    )


def _headline(findings: Findings) -> str:
    trials, systems = plural(len(findings.trials), "trial"), plural(len(findings.systems), "system")
    return (
        f"No verdict was asked for: {trials} of {systems} looked for hyper-parameters. {NEXT} runs the best "
        "settings of each model again with fresh seeds and compares these runs."
    )
