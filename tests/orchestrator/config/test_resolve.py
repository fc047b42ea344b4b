"""What a user wrote becomes what is computed: overrides merged, paths absolute, systems named, the grid in order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.config.experiment import Experiment
from orchestrator.config.load import load, validate
from orchestrator.config.resolve import grid_runs, pending, resolve
from orchestrator.config.yaml_file import dump, parse
from orchestrator.errors import InvalidExperiment, UserError
from tests.orchestrator.experiments import MINIMAL, resolved, write_experiment


def experiment(text: str) -> Experiment:
    """The experiment that MINIMAL and `text` describe."""
    return validate(parse(MINIMAL + text, "f.yaml"))


def test_everything_but_four_keys_has_a_default() -> None:
    found = experiment("")
    assert found.seeds == tuple(range(42, 52))
    assert found.recipes == {"default": {}}
    assert found.compare.alpha == 0.05
    assert found.resources.workers_per_run == "auto"


def test_a_list_of_models_is_a_mapping_without_overrides() -> None:
    found = experiment("")
    assert list(found.models) == ["minilm-l6"]
    assert found.models["minilm-l6"].train_overrides() == {}


def test_the_resolved_file_can_be_read_again_and_means_the_same() -> None:
    found = experiment(
        "train: {learning_rate: 3e-5, early_stopping: {patience: 3}, betas: [0.9, 0.98]}\nseeds: 1-3,7\n"
    )
    assert validate(parse(dump(found.model_dump(mode="json")), "again")) == found


def test_only_what_is_written_for_a_model_overrides_the_settings_of_all(tmp_path: Path) -> None:
    models = {
        "a": {"path": "model", "clip": None, "epochs": 3},
        "b": {"path": "model", "early_stopping": {"patience": 2}},
    }
    first, second = resolved(tmp_path, models=models).systems
    assert (first.config.train.clip, first.config.train.epochs, first.config.train.learning_rate) == (None, 3, 1e-3)
    assert (second.config.train.clip, second.config.train.epochs) == (1.0, 1)
    assert second.config.train.early_stopping is not None


def test_relative_paths_start_at_the_files_folder_whatever_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_experiment(tmp_path)
    monkeypatch.chdir("/")
    config = resolve(load(str(path))).systems[0].config
    assert config.data.path == str(tmp_path / "items.jsonl")
    assert config.model.source == str(tmp_path / "model")


def test_results_of_a_moved_experiment_are_found_again(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = (grid_runs(resolved(tmp_path / name)) for name in ("here", "there"))
    assert [run.run_id for run in here] == [run.run_id for run in there]


def test_the_grid_goes_seed_by_seed_so_that_pairs_complete_early(tmp_path: Path) -> None:
    found = [(run.system, run.config.seed) for run in grid_runs(resolved(tmp_path))]
    assert found == [("tiny", 1), ("slow", 1), ("tiny", 2), ("slow", 2)]


def test_every_fold_is_a_run_of_every_seed(tmp_path: Path) -> None:
    runs = grid_runs(resolved(tmp_path, split={"folds": 3}, seeds=1))
    assert [run.config.fold for run in runs] == [0, 0, 1, 1, 2, 2]
    assert len({run.run_id for run in runs}) == 6


def test_a_grid_larger_than_the_limit_is_refused_with_its_size(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the grid has 200000 runs .* raise it with --max-runs 200000"):
        grid_runs(resolved(tmp_path, seeds="0-99999"))


def test_pending_is_the_grid_less_the_recorded_in_grid_order(tmp_path: Path) -> None:
    runs = grid_runs(resolved(tmp_path))
    assert pending(runs, {runs[1].run_id: "completed"}) == [runs[0], runs[2], runs[3]]


def test_a_grown_grid_keeps_the_ids_and_names_of_its_earlier_cells(tmp_path: Path) -> None:
    small = {run.run_id: run.system for run in grid_runs(resolved(tmp_path))}
    recipes = {"default": {}, "fast": {"length_bucketing": {}}}
    large = {run.run_id: run.system for run in grid_runs(resolved(tmp_path, seeds="1-4", recipes=recipes))}
    assert small.items() <= large.items()
    assert len(large) == 16
    assert {"tiny", "tiny/fast", "slow", "slow/fast"} == set(large.values())


def test_an_option_of_a_variant_that_is_written_out_is_the_same_run(tmp_path: Path) -> None:
    forward, backward = (
        {"r": dict(order)}
        for order in (
            [("attention", {"implementation": "eager"}), ("length_bucketing", {})],
            [("length_bucketing", {}), ("attention", {"implementation": "eager"})],
        )
    )
    ids = [[run.run_id for run in grid_runs(resolved(tmp_path, recipes=recipes))] for recipes in (forward, backward)]
    assert ids[0] == ids[1]


def test_a_control_marks_its_systems(tmp_path: Path) -> None:
    recipes = {"default": {}, "padded": {"pad_to_max": {}}}
    found = resolved(tmp_path, recipes=recipes, compare={"controls": {"padded": "negative"}}).systems
    assert {system.name: system.control for system in found} == {
        "tiny": None,
        "slow": None,
        "tiny/padded": "negative",
        "slow/padded": "negative",
    }


def test_a_baseline_that_is_no_system_is_refused_before_anything_runs_and_one_that_is_changes_no_run(
    tmp_path: Path,
) -> None:
    with pytest.raises(InvalidExperiment, match=r"compare\.baseline: no system is called 'tinny'; did you mean 'tiny'"):
        resolved(tmp_path, compare={"baseline": "tinny"})
    plain, compared = resolved(tmp_path), resolved(tmp_path, compare={"baseline": "tiny"})
    assert [run.run_id for run in grid_runs(plain)] == [run.run_id for run in grid_runs(compared)]


def test_a_margin_below_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidExperiment, match=r"compare\.rope"):
        resolved(tmp_path, compare={"rope": -0.01})


def test_another_metric_than_the_primary_chooses_the_epoch_and_makes_other_runs(tmp_path: Path) -> None:
    plain = resolved(tmp_path)
    spelt_out = resolved(tmp_path, compare={"metric": plain.metric})
    other = resolved(tmp_path, compare={"metric": "accuracy"})
    first, same, different = (grid_runs(found)[0] for found in (plain, spelt_out, other))
    assert first.run_id == same.run_id
    assert first.run_id != different.run_id
    assert different.config.metric == different.metric == "accuracy"


def test_a_file_that_pins_other_data_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    found = resolved(tmp_path).experiment.data.fingerprint
    path = write_experiment(tmp_path, data={"path": "items.jsonl", "fingerprint": "0" * 64})
    with pytest.raises(InvalidExperiment, match=f"data.fingerprint: .*{found}"):
        resolve(load(str(path)))


def test_the_experiment_file_of_results_can_be_used_as_an_experiment(tmp_path: Path) -> None:
    first = resolved(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "experiment.yaml").write_text(dump(first.experiment.model_dump(mode="json")))
    again = resolve(load(str(tmp_path / "results")))
    assert [run.run_id for run in grid_runs(again)] == [run.run_id for run in grid_runs(first)]


def test_a_list_of_split_ids_counts_by_its_content(tmp_path: Path) -> None:
    ids = {"train": list(range(16)), "validation": list(range(16, 24))}

    def first_run(name: str, content: dict[str, list[int]]) -> str:
        (tmp_path / name).write_text(json.dumps(content))
        return grid_runs(resolved(tmp_path, split={"ids": name}))[0].run_id

    assert first_run("a.json", ids) == first_run("b.json", ids)
    assert first_run("a.json", ids) != first_run("b.json", {**ids, "validation": [16, 17]})


def test_a_users_own_task_by_path_is_part_of_the_id_by_content(tmp_path: Path) -> None:
    source = "from trainables.tasks.token_classification import TASK as TASK\n"
    (tmp_path / "my_task.py").write_text(source)
    before = grid_runs(resolved(tmp_path, task="./my_task.py"))[0]
    (tmp_path / "my_task.py").write_text(source + "# changed\n")
    after = grid_runs(resolved(tmp_path, task="./my_task.py"))[0]
    assert before.config.task == str(tmp_path / "my_task.py")
    assert before.run_id != after.run_id
