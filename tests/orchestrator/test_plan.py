"""What a plan says about a design follows from the number of seeds and systems alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.estimate import estimate
from orchestrator.plan import Reach, plan, reach
from orchestrator.storage import Store
from tests.orchestrator.experiments import resolved


def reach_of(folder: Path, systems: int, seeds: str, **changes: Any) -> Reach:
    """The reach of a grid of tiny systems."""
    models = {f"m{index}": {"path": "model", "epochs": index + 1} for index in range(systems)}
    return reach(resolved(folder, models=models, seeds=seeds, **changes))


@pytest.mark.parametrize(("systems", "comparisons", "needed"), [(2, 1, 6), (3, 3, 7), (4, 6, 8), (5, 10, 9)])
def test_the_first_holm_step_needs_6_7_8_9_seeds_for_1_3_6_10_comparisons(
    tmp_path: Path, systems: int, comparisons: int, needed: int
) -> None:
    found = reach_of(tmp_path, systems, f"1-{needed}")
    assert (found.comparisons, found.seeds_needed) == (comparisons, needed)
    assert found.smallest_p == pytest.approx(comparisons * 2 / 2**needed)
    assert found.warnings == ()


def test_one_seed_too_few_is_said_before_anything_runs(tmp_path: Path) -> None:
    found = reach_of(tmp_path, 3, "1-6")
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
