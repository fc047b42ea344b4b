"""Which systems may be the best, which ranks are possible, and a family of comparisons with one system."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.analyze import Analysis, analyze, analyze_results
from analysis.config import CompareConfig
from tests.analysis.frames import csv
from tests.analysis.items import draw_hits, study

QUICK = CompareConfig(resamples=1_000)


def one_ahead(tmp_path: Path, systems: int, options: CompareConfig = QUICK) -> Analysis:
    """Eight seeds of systems that are equal but for the first, which is about .05 better in every seed."""
    noise = [np.random.default_rng(k).normal(0, 0.002, size=8) for k in range(systems)]
    scores = {f"s{k}": 0.8 - 0.05 * (k > 0) + own - own.mean() for k, own in enumerate(noise)}
    return analyze([csv(tmp_path / "x.csv", scores)], options=options)


def test_twelve_systems_over_eight_seeds_have_a_best_one_though_no_pair_reaches_its_verdict(tmp_path: Path) -> None:
    """Two-sided, 8 seeds reach 2 / 256, times 66 pairs .52; one-sided against eleven others, 11 / 256 = .043 < .05."""
    found = one_ahead(tmp_path, 12)
    assert set(found.comparisons["verdict"]) == {"undecidable"}
    assert found.systems.set_index("system")["may_be_best"].to_dict() == {"s0": 1.0} | {
        f"s{k}": 0.0 for k in range(1, 12)
    }
    assert "s0 is the best of 12 systems, with 95% confidence." in found.headline
    assert "The largest difference is that of s0 against" in found.headline
    assert found.headline.count("undecidable") == 1


def test_the_level_of_the_best_set_is_shared_by_all_others(tmp_path: Path) -> None:
    """Against 13 others 8 seeds are too few: 13 / 256 = .051."""
    found = one_ahead(tmp_path, 14)
    assert found.systems["may_be_best"].eq(1.0).all()
    assert "is the best of" not in found.headline


def test_ranks_follow_from_the_decided_pairs(tmp_path: Path) -> None:
    found = one_ahead(tmp_path, 3)
    ranks = found.systems.set_index("system")[["rank_low", "rank_high"]].astype(int)
    assert ranks.loc["s0"].tolist() == [1, 1]
    assert ranks.loc["s1"].tolist() == ranks.loc["s2"].tolist() == [2, 3]


def test_equal_systems_share_the_chance_to_be_the_best_and_a_clear_winner_has_it_all() -> None:
    equal = analyze_results(study(draw_hits(1, systems=3, apart=0.5)), options=QUICK).systems
    assert equal["p_best"].sum() == pytest.approx(1.0)
    assert 0.02 < equal["p_best"].min() < equal["p_best"].max() < 0.95
    clear = analyze_results(study(draw_hits(1, systems=3, gain=3.0)), options=QUICK).systems
    assert clear["p_best"].tolist() == [1.0, 0.0, 0.0]


def test_a_baseline_is_compared_with_every_other_system_and_with_nothing_else(tmp_path: Path) -> None:
    """Eleven pairs need p < .05 / 11, which 8 seeds do not reach; three need .0167, which they do."""
    options = QUICK.model_copy(update={"baseline": "s3"})
    found = one_ahead(tmp_path, 4, options)
    assert found.comparisons[["a", "b"]].to_numpy().tolist() == [[name, "s3"] for name in ("s0", "s1", "s2")]
    first = found.comparisons.iloc[0]
    assert first["verdict"] == "better"
    assert first["primary_p_holm"] == pytest.approx(3 * 2 / 256)
    assert found.systems["may_be_best"].isna().all()
    assert found.headline.startswith("On score, compared with baseline s3: s0 (by 0.05, Holm p 0.0234) is better;")


def test_an_unknown_baseline_is_answered_with_the_nearest_system(tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"baseline": "s33"})
    with pytest.raises(ValueError, match=r"compare\.baseline: no system is called 's33'; did you mean 's3'\?"):
        one_ahead(tmp_path, 4, options)


def test_a_negative_control_is_compared_with_the_baseline_alone(tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"baseline": "s0", "controls": {"s2": "negative"}})
    found = one_ahead(tmp_path, 3, options)
    assert "Negative control s2 is worse than s0, as it must be." in found.headline


def test_equivalence_is_corrected_over_its_own_family(tmp_path: Path) -> None:
    """Three pairs within .01: each TOST p is raised by Holm among the three, whatever the differences do."""
    noise = np.random.default_rng(0).normal(0, 0.002, size=(3, 10))
    source = csv(tmp_path / "x.csv", {f"s{k}": 0.8 + noise[k] for k in range(3)})
    pairs = analyze([source], options=CompareConfig(rope=0.004)).comparisons
    p = sorted(pairs["tost_p"])
    expected = np.minimum(1.0, np.maximum.accumulate([3 * p[0], 2 * p[1], p[2]]))
    assert sorted(pairs["tost_p_holm"]) == pytest.approx(expected.tolist())
    equal = pairs["verdict"] == "equivalent"
    assert equal.tolist() == (pairs["tost_p_holm"] < 0.05).tolist()


def test_beyond_the_margin_is_said_only_where_the_interval_is(tmp_path: Path) -> None:
    found = {rope: one_ahead(tmp_path, 2, CompareConfig(rope=rope)) for rope in (0.01, 0.0495)}
    assert found[0.01].headline.count(", more than the margin of 0.01.") == 1
    assert ", perhaps by less than matters (0.0495)." in found[0.0495].headline
    assert [answer.comparisons["beyond_margin"].iloc[0] for answer in found.values()] == [1.0, 0.0]
