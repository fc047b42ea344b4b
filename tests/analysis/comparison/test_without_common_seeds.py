"""Systems without a common seed, with only one, or with a constant difference: the test that fits, and its claim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.analyze import Analysis, analyze
from analysis.comparison.design import FIXED_SPLIT, ONE_SEED, UNPAIRED
from analysis.config import CompareConfig
from analysis.text import methods
from tests.analysis.frames import rows, write_compacted

FIRST = [0.91, 0.89, 0.93, 0.90, 0.92, 0.88]
SECOND = [0.84, 0.86, 0.80, 0.85, 0.83, 0.87, 0.82, 0.81]


def table(path: Path, systems: dict[str, dict[int, float]]) -> Path:
    """A CSV of the scores of each system by seed."""
    cells = [(name, seed, score) for name, own in systems.items() for seed, score in own.items()]
    pd.DataFrame(cells, columns=["system", "seed", "score"]).to_csv(path, index=False)
    return path


def seeded(first: int, scores: Sequence[float]) -> dict[int, float]:
    """The scores under the seeds from `first`."""
    return dict(enumerate(scores, start=first))


def disjoint(tmp_path: Path, **options: object) -> Analysis:
    """The analysis of two systems without a common seed."""
    path = table(tmp_path / "x.csv", {"a": seeded(0, FIRST), "b": seeded(100, SECOND)})
    return analyze([path], options=CompareConfig.model_validate(options))


def test_systems_without_a_common_seed_are_compared_by_welch(tmp_path: Path) -> None:
    result = disjoint(tmp_path)
    pair = result.comparisons.iloc[0]
    expected = stats.ttest_ind(FIRST, SECOND, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert pair["primary_p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert pair["primary_df"] == pytest.approx(expected.df)
    assert (pair["primary_ci_low"], pair["primary_ci_high"]) == pytest.approx((low, high))
    assert (pair["mean_a"], pair["mean_b"]) == pytest.approx((0.905, 0.835))
    assert pair["mean_diff"] == pytest.approx(0.07)
    assert (pair["verdict"], pair["primary_method"], pair["n_pairs"]) == ("better", "welch", 0)
    assert result.claim == UNPAIRED
    said = methods.paragraph(result)
    assert "We compared a and b, with 14 random seeds (0\N{EN DASH}5, 100\N{EN DASH}107)." in said
    assert "without pairs, as their seeds are independent. The primary test is the Welch t over runs" in said
    assert "Hedges" not in said
    assert "only 6 runs of one of them: tests with so few rest on their assumptions" in " ".join(result.warnings)
    assert "no partner" not in " ".join(result.warnings)


def test_missing_seeds_give_the_same_verdict_as_disjoint_ones(tmp_path: Path) -> None:
    lines = [f"a,{score}" for score in FIRST] + [f"b,{score}" for score in SECOND]
    (tmp_path / "bare.csv").write_text("\n".join(["model,f1", *lines, ""]))
    bare, named = analyze([tmp_path / "bare.csv"]), disjoint(tmp_path)
    assert bare.comparisons["primary_p"][0] == named.comparisons["primary_p"][0]
    assert bare.claim == UNPAIRED


def test_pairs_with_common_seeds_stay_paired_beside_others(tmp_path: Path) -> None:
    systems = {"a": seeded(0, FIRST), "b": seeded(0, SECOND), "c": seeded(50, SECOND)}
    result = analyze([table(tmp_path / "x.csv", systems)])
    methods = {(row.a, row.b): row.primary_method for row in result.comparisons.itertuples()}
    assert methods == {("a", "b"): "paired_t_and_sign_flip", ("a", "c"): "welch", ("b", "c"): "welch"}
    assert result.claim == f"{FIXED_SPLIT} {UNPAIRED}"


@pytest.mark.parametrize(
    ("n", "reason"),
    [(2, "only 2 runs of one of them: descriptive only"), (4, "only 4 runs of one of them: an interval")],
)
def test_too_few_runs_get_no_verdict(tmp_path: Path, n: int, reason: str) -> None:
    path = table(tmp_path / "x.csv", {"a": seeded(0, FIRST[:n]), "b": seeded(100, SECOND)})
    pair = analyze([path]).comparisons.iloc[0]
    assert pair["verdict"] == "undecidable"
    assert reason in pair["reason"]


def test_a_test_that_was_fixed_in_advance_stays(tmp_path: Path) -> None:
    pair = disjoint(tmp_path, primary="sign_flip").comparisons.iloc[0]
    assert (pair["verdict"], pair["reason"]) == ("undecidable", "no seed in common: descriptive only")


def test_results_of_our_own_without_a_common_seed_are_as_before(tmp_path: Path) -> None:
    write_compacted(tmp_path, [*rows({"a": FIRST}), *rows({"b": SECOND}, first_seed=100)])
    pair = analyze([tmp_path]).comparisons.iloc[0]
    assert (pair["verdict"], pair["reason"]) == ("undecidable", "no seed in common: descriptive only")


def test_equivalence_is_shown_without_pairs_too(tmp_path: Path) -> None:
    near = [0.900, 0.901, 0.899, 0.902, 0.898, 0.900]
    path = table(tmp_path / "x.csv", {"a": seeded(0, near), "b": seeded(10, near[::-1])})
    pair = analyze([path], options=CompareConfig(rope=0.01)).comparisons.iloc[0]
    assert pair["verdict"] == "equivalent"


@pytest.mark.parametrize(("n", "p"), [(5, 2 / 2**5), (6, 2 / 2**6), (8, 2 / 2**8), (10, 2 / 2**10)])
def test_a_constant_difference_gets_the_p_of_flipped_signs(tmp_path: Path, n: int, p: float) -> None:
    scores = [0.5 + 0.01 * seed for seed in range(n)]
    systems = {"a": seeded(0, [score + 0.02 for score in scores]), "b": seeded(0, scores)}
    result = analyze([table(tmp_path / "x.csv", systems)])
    pair = result.comparisons.iloc[0]
    assert pair["primary_p"] == p
    assert pair["verdict"] == ("better" if p < 0.05 else "undecidable")
    assert (
        "a against b: the difference is the same for every seed, so only the sign-flip test applies" in result.warnings
    )


def items(path: Path, right: dict[str, list[list[int]]]) -> Path:
    """A CSV with a row for each item: by system, the answers of each seed."""
    cells = [
        (system, seed, f"q{item}", score)
        for system, seeds in right.items()
        for seed, own in enumerate(seeds)
        for item, score in enumerate(own)
    ]
    pd.DataFrame(cells, columns=["model", "seed", "item", "score"]).to_csv(path, index=False)
    return path


def test_items_and_seeds_are_judged_together_and_seeds_alone(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    hard = generator.random(200)
    right = {
        name: [[int(generator.random() < chance - 0.3 * value) for value in hard] for _ in range(6)]
        for name, chance in (("a", 0.95), ("b", 0.75))
    }
    result = analyze([items(tmp_path / "x.csv", right)])
    pair = result.comparisons.iloc[0]
    means = {name: [float(np.mean(own)) for own in seeds] for name, seeds in right.items()}
    assert (pair["primary_method"], pair["n_items"], pair["verdict"]) == ("multi_bootstrap", 200, "better")
    assert pair["mean_diff"] == pytest.approx(np.mean(means["a"]) - np.mean(means["b"]))
    assert pair["p"] == pytest.approx(stats.ttest_rel(means["a"], means["b"]).pvalue)  # over seeds alone
    assert "new items from this distribution" in result.claim
    seeds = pd.DataFrame([(n, k, s) for n, own in means.items() for k, s in enumerate(own)])
    seeds.to_csv(tmp_path / "seeds.csv", index=False, header=["model", "seed", "score"])
    alone = analyze([tmp_path / "seeds.csv"]).comparisons.iloc[0]
    assert (alone["p"], alone["primary_method"]) == (pytest.approx(pair["p"]), "paired_t_and_sign_flip")


def test_one_seed_is_judged_over_its_items_alone(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    right = {"a": [[int(v < 0.8) for v in generator.random(300)]], "b": [[int(v < 0.6) for v in generator.random(300)]]}
    result = analyze([items(tmp_path / "x.csv", right)])
    pair = result.comparisons.iloc[0]
    expected = stats.ttest_rel(right["a"][0], right["b"][0])
    low, high = expected.confidence_interval(0.95)
    assert pair["primary_method"] == "items"
    assert pair["primary_df"] == 299
    assert (pair["primary_ci_low"], pair["primary_ci_high"]) == pytest.approx((low, high), abs=0.005)  # resampled
    assert pair["verdict"] == "better"
    assert result.claim == ONE_SEED


def test_scores_of_items_that_are_no_hits_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "model,seed,item,score\n"
        + "".join(
            f"{m},{s},q{i},{0.1 * i + 0.01 * s + (m == 'a') / 10}\n" for m in "ab" for s in range(5) for i in range(5)
        )
    )
    result = analyze([path])
    assert result.systems.set_index("system")["mean"].tolist() == pytest.approx([0.32, 0.22])
    assert result.comparisons["n_items"][0] == 5
