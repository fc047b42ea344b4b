"""Twelve tables of other tools, and the outcome of each as scipy has it for the scores that a person reads there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from scipy import stats

from analysis.analyze import analyze

A = [0.9012, 0.8986, 0.9064, 0.9010, 0.8946, 0.9036, 0.9130, 0.9094]
B = [0.8927, 0.8928, 0.8911, 0.8941, 0.8836, 0.8946, 0.9048, 0.9022]


def over_seeds(first: Sequence[float], second: Sequence[float]) -> float:
    """The larger p of the paired t-test and of all sign flips."""
    flips = stats.permutation_test(
        (np.asarray(first), np.asarray(second)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    return float(max(stats.ttest_rel(first, second).pvalue, flips.pvalue))


def over_runs(first: Sequence[float], second: Sequence[float]) -> float:
    """The p of Welch's t-test."""
    return float(stats.ttest_ind(first, second, equal_var=False).pvalue)


def lines(header: str, line: str, *, comma: bool = False) -> str:
    """A table with one line per run of a and b, from a template with {s}, {k} and {v}."""
    rows = [
        line.format(s=system, k=seed, v=str(score).replace(".", ",") if comma else score, p=round(100 * score, 2))
        for system, scores in (("a", A), ("b", B))
        for seed, score in enumerate(scores)
    ]
    return "\n".join([header, *rows, ""])


def excel(path: Path) -> None:
    """The same runs in a workbook."""
    file = openpyxl.Workbook()
    sheet = file.worksheets[0]
    sheet.append(["System", "Seed", "Score"])
    for system, scores in (("a", A), ("b", B)):
        for seed, score in enumerate(scores):
            sheet.append([system, seed, score])
    file.save(path)


def text(content: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    """What writes this text."""
    return lambda path: path.write_text(content, encoding=encoding) and None


WIDE = "\n".join(["seed,a,b", *(f"{seed},{a},{b}" for seed, (a, b) in enumerate(zip(A, B, strict=True))), ""])
OPTUNA = "\n".join(
    [
        ",number,value,params_lr,params_model,state",
        *(
            f"{n},{n},{v},1e-5,{s},COMPLETE"
            for n, (s, v) in enumerate([*(("a", v) for v in A), *(("b", v) for v in B)])
        ),
        "",
    ]
)
DISJOINT = lines("system,seed,score", "{s},{s}{k},{v}")
CONSTANT = "\n".join(["system,seed,score", *(f"a,{k},{v}\nb,{k},{round(v - 0.01, 4)}" for k, v in enumerate(A)), ""])
RECORDS = json.dumps([{"model": s, "seed": k, "f1": v} for s, own in (("a", A), ("b", B)) for k, v in enumerate(own)])
CRASHED = lines(
    '"Name","State","Runtime","model","seed","eval/f1"', '"{s}-{k}","finished","9","{s}","{k}","{v}"'
).replace(f'"b-7","finished","9","b","7","{B[7]}"', '"b-7","crashed","9","b","7","0.1"')
CASES: dict[str, tuple[str, Callable[[Path], None], float]] = {
    "names that look like nothing": (
        "x.csv",
        text(lines("system,seed,score", "{s},{k},{v}").replace("a,", "NA,").replace("b,", "None,")),
        over_seeds(A, B),
    ),
    "an MLflow export": (
        "x.csv",
        text(lines("run_id,status,metrics.f1,params.model,params.seed", "{s}{k},FINISHED,{v},{s},{k}")),
        over_seeds(A, B),
    ),
    "a W&B export with a crashed run": ("x.csv", text(CRASHED), over_seeds(A[:7], B[:7])),
    "decimal commas": (
        "x.csv",
        text(lines("system;seed;score", "{s};{k};{v}", comma=True)),
        over_seeds(A, B),
    ),
    "UTF-16": ("x.csv", text(lines("system,seed,score", "{s},{k},{v}"), "utf-16"), over_seeds(A, B)),
    "percent": ("x.csv", text(lines("Model,SEED,Score", "{s},{k},{p}%")), over_seeds(A, B)),
    "a wide table": ("x.csv", text(WIDE), over_seeds(A, B)),
    "an Excel sheet": ("x.xlsx", excel, over_seeds(A, B)),
    "JSON records": ("x.json", text(RECORDS), over_seeds(A, B)),
    "Optuna trials, which have no seeds": ("x.csv", text(OPTUNA), over_runs(A, B)),
    "seeds that are disjoint": ("x.csv", text(DISJOINT), over_runs(A, B)),
    "a constant difference": ("x.csv", text(CONSTANT), 2 / 2**8),
}


@pytest.mark.parametrize("name", CASES)
def test_the_outcome_is_the_one_of_scipy(tmp_path: Path, name: str) -> None:
    file, write, p = CASES[name]
    write(tmp_path / file)
    pair = analyze([tmp_path / file]).comparisons.iloc[0]
    scale = 100 if name == "percent" else 1
    own = (A[:7], B[:7]) if "crashed" in name else (A, [v - 0.01 for v in A] if name.startswith("a constant") else B)
    assert pair["primary_p"] == pytest.approx(p, rel=1e-6)
    assert pair["mean_diff"] == pytest.approx(scale * (np.mean(own[0]) - np.mean(own[1])))
    assert pair["verdict"] == ("inconclusive" if "crashed" in name else "better")
