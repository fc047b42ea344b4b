"""Cells that this machine cannot run: listed everywhere, executed nowhere, and no failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from analysis.analyze import analyze
from orchestrator.cli import main
from orchestrator.commands.plan import reach
from orchestrator.config import resolve
from orchestrator.config.run_spec import RunSpec
from orchestrator.console import text
from orchestrator.errors import InvalidExperiment
from orchestrator.storage import Store
from orchestrator.storage.status import status_of
from tests.orchestrator.experiments import resolved, write_experiment
from trainables.system.hardware import this_machine

pytestmark = pytest.mark.skipif(bool(this_machine().gpus), reason="this machine has a GPU, so nothing is unsupported")

RECIPES = {"default": {}, "recorded": {"cuda_graphs": {}}, "wrong": {"misaligned_evaluation": {}}}
WHY = "cuda_graphs needs a CUDA device, here is"


def test_a_cell_that_needs_a_gpu_is_in_the_grid_and_not_pending(tmp_path: Path) -> None:
    found = resolved(tmp_path, recipes=RECIPES, models={"tiny": {"path": "model"}})
    reasons = {system.name: system.unsupported for system in found.systems}
    assert reasons["tiny"] is reasons["tiny/wrong"] is None
    assert str(reasons["tiny/recorded"]).startswith(WHY)
    cells = resolve.grid_runs(found)
    assert {run.system for run in resolve.pending(cells, ())} == {"tiny", "tiny/wrong"}
    assert reach(found).comparisons == 1


def test_a_head_without_gpus_plans_for_those_of_its_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATE_GPUS", "8 x NVIDIA B200, 10.0, 183359")
    assert {system.unsupported for system in resolved(tmp_path, recipes=RECIPES).systems} == {None}
    monkeypatch.setenv("ORCHESTRATE_GPUS", "eight of them")
    done = CliRunner().invoke(main, ["plan", str(tmp_path / "tiny.yaml")])
    assert done.exit_code == 2
    assert "ORCHESTRATE_GPUS is 'eight of them'" in done.output


def test_the_reason_is_no_part_of_what_a_run_is(tmp_path: Path) -> None:
    run = resolve.grid_runs(resolved(tmp_path, recipes=RECIPES))[0]
    elsewhere: RunSpec = run.model_copy(update={"unsupported": "it needs something"})
    assert elsewhere.run_id == run.run_id


def test_a_control_is_marked_as_one_though_the_experiment_does_not_say_so(tmp_path: Path) -> None:
    found = resolved(tmp_path, recipes=RECIPES)
    assert {system.recipe: system.control for system in found.systems}["wrong"] == "negative"
    assert {system.recipe: system.control for system in found.systems}["default"] is None


def test_plan_sweep_status_and_report_list_it_and_nothing_fails(tmp_path: Path) -> None:
    path = str(write_experiment(tmp_path, recipes=RECIPES, models={"tiny": {"path": "model"}}))
    out = str(tmp_path / "out")
    planned = CliRunner().invoke(main, ["plan", path, "--out", out])
    assert planned.exit_code == 0
    assert "6 in the grid, 0 recorded, 4 to do, 2 unsupported on this machine" in planned.output
    assert f"tiny/recorded: {WHY}" in planned.output
    swept = CliRunner().invoke(main, ["sweep", path, "--out", out, "--in-process", "--json", "--no-analyze"])
    assert swept.exit_code == 0, swept.output
    document = json.loads(swept.stdout)
    assert document["status"]["counts"] | {"collapsed": 0, "completed": 4} == {
        **dict.fromkeys(("diverged", "pruned", "failed", "pending", "collapsed"), 0),
        "total": 6,
        "completed": 4,
        "unsupported": 2,
    }
    status = status_of(Store.open(out))
    assert status.unsupported.keys() == {"tiny/recorded"}
    assert "unsupported on this machine (left out, and not failed)" in text.status(status)
    assert "tiny/wrong (negative control)" in text.status(status)
    warnings = [line for line in analyze([out]).warnings if "unsupported" in line]
    assert len(warnings) == 1
    assert "tiny/recorded is unsupported there and was not run: cuda_graphs needs a CUDA device" in warnings[0]
    again = CliRunner().invoke(main, ["sweep", path, "--out", out, "--in-process", "--no-analyze"])
    assert again.exit_code == 0
    assert "0 runs executed" in again.output


def test_a_single_run_of_it_is_refused(tmp_path: Path) -> None:
    path = str(
        write_experiment(tmp_path, recipes={"recorded": {"cuda_graphs": {}}}, models={"tiny": {"path": "model"}})
    )
    ended = CliRunner().invoke(main, ["run", path, "--model", "tiny", "--recipe", "recorded", "--seed", "1"])
    assert ended.exit_code == 2
    assert "unsupported on this machine: cuda_graphs needs a CUDA device" in ended.output


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"freezing": {"layers": 3}}, "freezing.layers is 3, but tiny has 2 layers"),
        ({"bitfit": {}, "lora": {}}, "bitfit excludes lora: both choose which weights train"),
        (
            {"torch_compile": {"mode": "reduce-overhead", "shapes": "fixed"}, "cuda_graphs": {}},
            "cuda_graphs excludes torch_compile with mode reduce-overhead",
        ),
    ],
)
def test_what_a_model_or_another_variant_cannot_take_is_refused_before_anything_starts(
    tmp_path: Path, recipe: dict[str, object], reason: str
) -> None:
    with pytest.raises(InvalidExperiment, match=reason):
        resolved(tmp_path, recipes={"odd": recipe}, models={"tiny": {"path": "model", "precision": "fp32"}})
