"""What a plan says about a design follows from the number of seeds and systems alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.analyze import analyze_results
from analysis.comparison import design
from analysis.config import CompareConfig, Primary
from analysis.design_power import Spread, power_of
from analysis.tables.schema import Corrupt
from orchestrator.commands.plan import Reach, estimate, plan, reach, with_power
from orchestrator.console import text
from orchestrator.errors import UserError
from orchestrator.storage import Store
from tests.analysis import items
from tests.analysis.frames import rows, write_compacted
from tests.orchestrator.experiments import resolved

OVER_SEEDS = {"primary": "paired_t_and_sign_flip"}


def reach_of(folder: Path, systems: int, seeds: str, **changes: Any) -> Reach:
    """The reach of a grid of tiny systems."""
    models = {f"m{index}": {"path": "model", "epochs": index + 1} for index in range(systems)}
    return reach(resolved(folder, models=models, seeds=seeds, **changes))


@pytest.mark.parametrize(("systems", "comparisons", "needed"), [(2, 1, 6), (3, 3, 7), (4, 6, 8), (5, 10, 9)])
def test_the_first_holm_step_needs_6_7_8_9_seeds_for_1_3_6_10_comparisons(
    tmp_path: Path, systems: int, comparisons: int, needed: int
) -> None:
    found = reach_of(tmp_path, systems, f"1-{needed}", compare=OVER_SEEDS)
    assert (found.comparisons, found.seeds_needed) == (comparisons, needed)
    assert found.smallest_p == pytest.approx(comparisons * 2 / 2**needed)
    assert found.warnings == ()


def test_one_seed_too_few_is_said_before_anything_runs(tmp_path: Path) -> None:
    found = reach_of(tmp_path, 3, "1-6", compare=OVER_SEEDS)
    assert found.smallest_p == pytest.approx(3 * 2 / 2**6)
    assert "use at least 7 seeds" in found.warnings[0]


@pytest.mark.parametrize(("seeds", "words"), [("1-2", "only be described"), ("1-4", "but no verdict")])
def test_very_few_seeds_allow_less(tmp_path: Path, seeds: str, words: str) -> None:
    assert words in reach_of(tmp_path, 2, seeds).warnings[0]


@pytest.mark.parametrize("split", [{"seed": "run"}, {"folds": 3}])
def test_splits_that_vary_with_the_run_have_no_smallest_p(tmp_path: Path, split: dict[str, Any]) -> None:
    found = reach_of(tmp_path, 2, "1-5", split=split)
    assert found.design == "splits or folds that vary with the run"
    assert found.smallest_p is None
    assert found.pairs == (15 if "folds" in split else 5)


@pytest.mark.parametrize("primary", ["paired_t", "sign_flip", "paired_t_and_sign_flip"])
@pytest.mark.parametrize("seeds", [1, 2, 3, 6])
def test_the_smallest_p_of_the_plan_is_that_of_the_report(tmp_path: Path, seeds: int, primary: Primary) -> None:
    """Two seeds can give 2 / 2^2 by the exact test, whether or not so few are tested at all."""
    planned = reach_of(tmp_path, 2, f"1-{seeds}", compare={"primary": primary})
    found = items.study(items.draw_hits(1, seeds=seeds, items=20))
    reported = analyze_results(found, options=CompareConfig(primary=primary, resamples=1_000)).comparisons["smallest_p"]
    expected = None if primary == "paired_t" else min(1.0, 2 / 2**seeds)
    assert planned.smallest_p == planned.smallest_p_of_a_pair == expected
    assert reported.replace({np.nan: None}).tolist() == [expected]


@pytest.mark.parametrize("primary", ["auto", "multi_bootstrap"])
def test_the_plan_promises_what_the_sweep_then_does(tmp_path: Path, primary: Primary) -> None:
    """Five seeds never reach .05 by signs, but the sweep decides by items and seeds, and so does the plan."""
    planned = reach_of(tmp_path, 2, "1-5", compare={"primary": primary})
    found = items.study(items.draw_hits(1, seeds=5, items=200, gain=2.0))
    (pair,) = analyze_results(found, options=CompareConfig(primary=primary, resamples=1_000)).comparisons.to_dict(
        "records"
    )
    assert (planned.method, planned.smallest_p, planned.seeds_needed, planned.warnings) == (
        "multi_bootstrap", None, None, (),
    )  # fmt: skip
    assert (pair["primary_method"], pair["verdict"]) == ("multi_bootstrap", "better")


def test_with_a_baseline_only_its_pairs_are_counted(tmp_path: Path) -> None:
    assert reach_of(tmp_path, 5, "1-6", compare={"baseline": "m2", **OVER_SEEDS}).comparisons == 4


def test_several_comparisons_raise_the_smallest_p_and_the_plan_tells_both(tmp_path: Path) -> None:
    models = {f"m{index}": {"path": "model", "epochs": index + 1} for index in range(3)}
    found = plan(resolved(tmp_path, models=models, seeds="1-6", compare=OVER_SEEDS), out=str(tmp_path / "out"))
    assert (found.reach.smallest_p_of_a_pair, found.reach.smallest_p) == (2 / 2**6, pytest.approx(3 * 2 / 2**6))
    assert "0.0312 for one comparison, 0.0938 after Holm: cannot" in text.plan(found)


def test_a_test_without_a_bound_is_not_planned_with_one(tmp_path: Path) -> None:
    assert reach_of(tmp_path, 2, "1-5", compare={"primary": "paired_t"}).warnings == ()
    varied = reach_of(tmp_path, 2, "1-5", split={"seed": "run"}, compare={"primary": "sign_flip"})
    assert varied.smallest_p == 2 / 2**5
    assert "every verdict would be undecidable; use at least 6 seeds" in varied.warnings[0]


def test_one_system_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    assert "nothing to compare" in reach_of(tmp_path, 1, "1-9").warnings[0]


def test_planning_writes_nothing(tmp_path: Path) -> None:
    found = plan(resolved(tmp_path), out=str(tmp_path / "out"))
    assert len(found.pending) == found.runs == 4
    assert not (tmp_path / "out").exists()


def test_an_estimate_grows_with_the_work_and_says_what_it_rests_on(tmp_path: Path) -> None:
    found = plan(resolved(tmp_path), out=str(tmp_path / "out"), lanes=1)
    longer = plan(resolved(tmp_path, train={"epochs": 9}), out=str(tmp_path / "out"), lanes=1)
    assert found.estimate.source == "a rough model"
    assert 0 < found.estimate.seconds < longer.estimate.seconds
    assert found.estimate.result_bytes == longer.estimate.result_bytes > 0


def test_nothing_to_do_takes_no_time_and_no_disk(tmp_path: Path) -> None:
    found = plan(resolved(tmp_path), out=str(tmp_path / "out"))
    nothing = estimate(Store.open(tmp_path / "out"), [], found.facts, None)
    assert (nothing.seconds, nothing.result_bytes, nothing.checkpoint_bytes) == (0.0, 0, 0)


def test_power_from_an_assumed_spread_says_what_these_seeds_show_and_what_others_take(tmp_path: Path) -> None:
    found = with_power(plan(resolved(tmp_path, seeds="1-10"), out=str(tmp_path / "out")), spread=0.01)
    assert found.power is not None
    level = 0.05 / found.reach.comparisons
    smallest = design.minimum_detectable_effect(10, level)
    assert smallest is not None
    assert found.power.detectable == pytest.approx(0.01 * smallest)
    needed = {entry.difference: entry.seeds for entry in found.power.needed}
    assert needed[0.01] == design.pairs_needed(1.0, level)
    assert needed[0.005] > needed[0.01] > needed[0.03]
    assert "in 80% of experiments" in text.plan(found)
    assert "state the one that matters as compare.rope" in text.plan(found)
    stated = with_power(
        plan(resolved(tmp_path, seeds="1-10", compare={"rope": 0.015}), out=str(tmp_path / "out")), spread=0.01
    )
    assert stated.power is not None
    assert [entry.difference for entry in stated.power.needed] == [0.015]
    assert text.plan_document(found)["power"]["spread"]["source"] == "an assumed spread"


def test_power_without_results_or_an_assumption_says_what_to_pass(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pass --spread"):
        with_power(plan(resolved(tmp_path), out=str(tmp_path / "out")))


def test_power_from_results_uses_the_spread_of_their_pairs(tmp_path: Path) -> None:
    scores = {"x": [0.8, 0.82, 0.81, 0.79], "y": [0.75, 0.74, 0.77, 0.76]}
    write_compacted(tmp_path / "out", rows(scores))
    found = with_power(replace(plan(resolved(tmp_path), out=str(tmp_path / "other")), address=str(tmp_path / "out")))
    assert found.power is not None
    assert found.power.spread.of_seeds == pytest.approx(np.std(np.subtract(*scores.values()), ddof=1))
    assert found.power.spread.source == "1 pairs of systems with 4 seeds in these results"


def test_a_pilot_of_few_seeds_plans_a_range_that_an_assumed_spread_does_not_have() -> None:
    """A variance from 4 degrees of freedom may be 4 / 7.779 to 4 / 1.064 of itself with 80% certainty."""
    exact = power_of(Spread(0.01, 0.0, "assumed"), seeds=5, comparisons=1, alpha=0.05, smallest=0.01).needed[0]
    assert exact.fewest == exact.seeds == exact.most == 10
    pilot = power_of(Spread(0.01, 0.0, "pilot", seed_df=4), seeds=5, comparisons=1, alpha=0.05, smallest=0.01).needed[0]
    fewest, most = (design.pairs_needed(1 / np.sqrt(4 / quantile)) for quantile in (7.77944, 1.063623))
    assert (pilot.fewest, pilot.seeds, pilot.most) == (fewest, 10, most)


def test_where_seeds_cannot_show_it_the_items_are_planned() -> None:
    """With a standard error of .01 by 100 items and none by seeds, .02 needs a standard error of about .02 / 2.80."""
    spread = Spread(1e-9, 0.01, "made up", items=100)
    needed = power_of(spread, seeds=5, comparisons=1, alpha=0.05, smallest=0.02).needed[0]
    assert needed.seeds is None
    assert needed.items is not None
    assert needed.items.best == pytest.approx(100 * (0.01 * 2.8016 / 0.02) ** 2, abs=1)


def test_power_from_damaged_results_names_the_damage(tmp_path: Path) -> None:
    write_compacted(tmp_path / "out", rows({"x": [0.8, 0.82, 0.81], "y": [0.75, 0.74, 0.77]}))
    found = replace(plan(resolved(tmp_path), out=str(tmp_path / "other")), address=str(tmp_path / "out"))
    whole = (tmp_path / "out/runs.parquet").read_bytes()
    (tmp_path / "out/runs.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Corrupt, match=r"runs\.parquet"):
        with_power(found)


def test_power_from_runs_that_do_not_compare_says_why(tmp_path: Path) -> None:
    runs = rows({"x": [0.8, 0.82, 0.81], "y": [0.75, 0.74, 0.77]})
    runs[0]["seed"] = runs[1]["seed"]
    write_compacted(tmp_path / "out", runs)
    found = plan(resolved(tmp_path), out=str(tmp_path / "other"))
    with pytest.raises(UserError, match="share their cell"):
        with_power(replace(found, address=str(tmp_path / "out")))


def test_where_items_leave_too_much_no_number_of_seeds_is_enough() -> None:
    found = power_of(Spread(0.01, 0.01, "made up"), seeds=10, comparisons=1, alpha=0.05)
    assert {entry.difference: entry.seeds for entry in found.needed}[0.02] is None
    assert found.detectable is not None
    assert found.detectable > 0.028
    assert power_of(Spread(0.01, 0.0, "made up"), seeds=2, comparisons=1, alpha=0.05).detectable is None
