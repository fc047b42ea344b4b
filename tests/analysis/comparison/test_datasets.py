"""Several experiments together: each data set is one observation, its seeds averaged first."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from analysis import registry
from analysis.analyze import Analysis, analyze
from analysis.config import CompareConfig
from analysis.plotting.figure import unit_of
from analysis.report.write import tables
from analysis.text import methods
from tests.analysis.frames import rows, write_compacted
from tests.analysis.report.page import page_of
from tests.analysis.statistics.test_known_answers import DEMSAR_TABLE_6

SYSTEMS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")


def demsar(folder: Path, seeds: int = 2, data_sets: int = 14) -> Path:
    """Table 6 of Demsar 2006 as runs: seeds scatter around the published value and average to it."""
    lines = ["system,seed,dataset,score"]
    for number, row in enumerate(DEMSAR_TABLE_6[:data_sets]):
        for system, score in zip(SYSTEMS, row, strict=True):
            lines += [
                f"{system},{seed},data {number:02d},{score + 0.001 * (2 * seed - seeds + 1)}" for seed in range(seeds)
            ]
    path = folder / "demsar.csv"
    path.write_text("\n".join(lines))
    return path


def test_demsars_table_comes_out_as_published_also_through_seeds(tmp_path: Path) -> None:
    found = analyze([demsar(tmp_path)])
    friedman, nemenyi = found.omnibus["friedman"], found.omnibus["nemenyi"]
    expected = dict(zip(SYSTEMS, [3.142857, 2.0, 2.928571, 1.928571], strict=True))
    assert friedman["mean_ranks"] == pytest.approx(expected, abs=6e-7)
    assert friedman["statistic"] == pytest.approx(10.952381, abs=6e-7)
    assert nemenyi["critical_difference"] == pytest.approx(1.253559, abs=6e-7)
    assert len(nemenyi["pairs"]) == 6
    assert found.comparisons["n_pairs"].tolist() == [14] * 6
    assert "over tasks like these" in found.claim
    json.dumps(found.to_json(), allow_nan=False)


def test_the_primary_test_is_wilcoxons_over_data_sets(tmp_path: Path) -> None:
    found = analyze([demsar(tmp_path)])
    pair = found.comparisons.set_index(["a", "b"]).loc[("C4.5+m+cf", "C4.5")]
    theirs = stats.wilcoxon(DEMSAR_TABLE_6[:, 3], DEMSAR_TABLE_6[:, 0], zero_method="wilcox")
    assert pair["primary_method"] == "wilcoxon"
    assert pair["primary_p"] == pair["wilcoxon_p"] == pytest.approx(theirs.pvalue, abs=0.01)


def test_the_table_by_data_set_has_ranks_and_is_written(tmp_path: Path) -> None:
    found = analyze([demsar(tmp_path)])
    assert len(found.tasks) == 14 * 4
    first = found.tasks[found.tasks["dataset"] == "data 00"].set_index("system")
    assert first["rank"].to_dict() == {"C4.5": 4.0, "C4.5+cf": 2.0, "C4.5+m": 3.0, "C4.5+m+cf": 1.0}
    assert first["n"].tolist() == [2] * 4
    assert {"tasks.csv", "tasks.parquet"} <= set(tables(found))
    assert found.to_json()["tasks"][0]["dataset"] == "data 00"
    assert tables(analyze([demsar(tmp_path, data_sets=1)])).keys().isdisjoint({"tasks.csv"})


def test_the_report_speaks_of_data_sets_where_they_are_the_observations(tmp_path: Path) -> None:
    found = analyze([demsar(tmp_path, data_sets=6)])
    for name in ("raincloud", "seed_slopes", "paired_differences", "performance_profile", "score_boxplot"):
        figure = registry.load("figure", name)
        assert unit_of(figure.frame(found)) == "data set"
        assert not {"run", "runs", "seed", "seeds"} & set(re.findall(r"\w+", figure.worded("data set")))
        assert "data set" in figure.worded("data set")
        assert "data set" not in figure.worded("run")
    page = page_of(found)
    assert "Data sets" in page.text("dt")
    assert "6 (data 00, data 01, data 02, data 03, data 04, data 05)" in page.text("dd")
    assert "48 with a score, of 48" in page.text("dd")
    assert "score of every data set" in page.text("caption")
    assert "over 6 data sets" in methods.paragraph(found)
    assert "paired by data set." in methods.paragraph(found)


def test_few_data_sets_are_said_and_decide_nothing(tmp_path: Path) -> None:
    found = analyze([demsar(tmp_path, data_sets=4)])
    assert set(found.comparisons["reason"]) == {"only 4 data sets in common: an interval, but no verdict below 5"}
    assert found.comparisons["advice"].isna().all()
    assert any("only 4 data sets" in text for text in found.warnings)
    assert set(found.comparisons["verdict"]) == {"undecidable"}


def experiment(folder: Path, name: str, metric: str, gap: float) -> Path:
    noise = np.random.default_rng(0).normal(0, 0.01, size=(2, 3))
    scores = {"x": (0.8 + gap + noise[0]).tolist(), "y": (0.8 + noise[1]).tolist()}
    listed = rows(scores, task="token_classification", dataset=name, dataset_fingerprint=name)
    write_compacted(folder, [{**row, "metric": metric, "run_id": f"{name}-{row['run_id']}"} for row in listed])
    content = {"experiment": name, "compare": {"metric": metric, "alpha": 0.1}}
    (folder / "experiment.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_many_results_directories_are_compared_over_their_data_sets(tmp_path: Path) -> None:
    gaps = [0.05, 0.06, 0.03, 0.08, 0.04, 0.07, 0.05]
    folders = [
        experiment(tmp_path / str(k), f"data {k}", "accuracy" if k % 2 else "weighted_f1", gap)
        for k, gap in enumerate(gaps)
    ]
    found = analyze(folders)
    assert found.comparisons["verdict"].tolist() == ["better"]
    assert found.alpha == 0.1
    assert found.metric == "weighted_f1, accuracy"
    assert any("different metrics" in text for text in found.warnings)
    assert found.results.experiment == {
        "experiment": " + ".join(f"data {k}" for k in range(7)),
        "compare": {"alpha": 0.1},
    }


def test_a_system_that_is_missing_on_a_data_set_is_named(tmp_path: Path) -> None:
    table = pd.read_csv(demsar(tmp_path))
    table = table[(table["system"] != "C4.5") | (table["dataset"] != "data 03")]
    table.to_csv(tmp_path / "less.csv", index=False)
    found = analyze([tmp_path / "less.csv"])
    assert "C4.5+m+cf against C4.5: 1 run has no partner: data set data 03" in found.warnings
    assert set(found.comparisons["n_pairs"]) == {13, 14}


def test_optional_tests_over_data_sets_use_data_sets_as_rows(tmp_path: Path) -> None:
    options = CompareConfig(tests=("interquartile_mean", "performance_profile"), resamples=1_000)
    found: Analysis = analyze([demsar(tmp_path)], options=options)
    assert found.optional["n"].tolist() == [14, 14]
