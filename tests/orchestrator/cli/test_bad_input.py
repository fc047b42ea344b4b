"""Bad input gets one clear error and exit code 2, with all problems at once, and nothing is executed or written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from tests.orchestrator.experiments import MINIMAL, write_experiment
from tests.tiny import tiny_items


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("ORCHESTRATE_DATA", raising=False)


def plan(text: str, *arguments: str) -> Result:
    """`orchestrate plan` of a file with this text."""
    Path("bad.yaml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(main, ["plan", "bad.yaml", *arguments])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epohcs: 3", "bad.yaml:5: epohcs: unknown key 'epohcs'; did you mean 'epochs' under 'train'?"),
        ("sedes: 1", "unknown key 'sedes'; did you mean 'seeds'?"),
        ("train: {epohcs: 3}", "train.epohcs: unknown key 'epohcs'; did you mean 'epochs'?"),
        ("train: {learning_rate: .nan}", "train.learning_rate: must be a finite number, got nan"),
        ("train: {learning_rate: NaN}", "train.learning_rate: must be a number, got 'NaN'"),
        ("train: {learning_rate: .inf}", "train.learning_rate: must be a finite number, got inf"),
        ("train: {learning_rate: 0}", "train.learning_rate: must be greater than 0, got 0"),
        ("train: {learning_rate: -1e-5}", "train.learning_rate: must be greater than 0, got -1e-05"),
        ("train: {learning_rate: '3e-5'}", "train.learning_rate: must be a number, got '3e-5'; remove the quotes"),
        ("train: {batch_size: 0}", "train.batch_size: must be at least 1, got 0"),
        ("train: {epochs: 0}", "train.epochs: must be at least 1, got 0"),
        ("train: {epochs: 2.5}", "train.epochs: must be a whole number, got 2.5"),
        ("train: {epochs: true}", "train.epochs: must be a whole number, got true"),
        ("train: {schedule: linaer}", "train.schedule: must be 'linear', 'constant', 'cosine' or 'plateau'"),
        ("seeds: []", "bad.yaml:5: seeds: is empty"),
        ("seeds: [-1]", "seeds: must be at least 0, got -1"),
        ("seeds: [true]", "seeds: must be whole numbers, got true"),
        ("seeds: 1,1", "seeds: names 1 more than once"),
        ("split: {validation: 0.6, test: 0.5}", "split: validation and test together leave nothing to train on"),
        ("split: {seed: never}", "split.seed: must be a whole number or 'run', got 'never'"),
        ("recipes: {x: }", "recipes.x: must be a mapping (`key: value`), got null; write {} for an empty one"),
        (
            "recipes: {x: {lenght_bucketing: {}}}",
            "unknown variant 'lenght_bucketing'; did you mean 'length_bucketing'?",
        ),
        ("recipes: {x: {length_bucketing: {}, pad_to_max: {}}}", "recipes.x: length_bucketing excludes pad_to_max"),
        ("recipes: {x: {attention: {implementation: fast}}}", "must be 'eager', 'sdpa' or 'flash_attention_2'"),
        ("recipes: {../x: {}}", "recipes.../x: may contain letters, digits"),
        ("compare: {metric: weighted_f2}", "unknown metric 'weighted_f2'; did you mean 'weighted_f1'?"),
        ("compare: {alpha: 1.5}", "compare.alpha: must be below 1, got 1.5"),
        ("compare: {controls: {defualt: negative}}", "unknown system or recipe 'defualt'; did you mean 'default'?"),
        ("resources: {accumulation: 0}", "resources.accumulation: must be at least 1, got 0"),
        ("resources: {workers_per_run: many}", "must be a whole number or 'auto', got 'many'"),
        ("adapt: {epochs: 5}", "bad.yaml:5: adapt.data: is needed"),
        ("save: all", "bad.yaml:5: save: must be 'none', 'best' or 'best-per-system', got 'all'"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_line(change: str, message: str) -> None:
    result = plan(MINIMAL + change + "\n")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "-rf", "a b", "🚀", "x" * 300, ".hidden", "a\\u0000b", "CON\\n", ""]
)
def test_an_experiment_name_that_is_no_plain_folder_name_is_refused(name: str) -> None:
    result = plan(MINIMAL.replace("experiment: try", f'experiment: "{name}"'))
    assert result.exit_code == 2
    assert "bad.yaml:1: experiment:" in result.stderr


@pytest.mark.parametrize("name", ["../x", "/x", "-x", "a//b", "a/../b", "🚀", "x" * 101])
def test_a_model_name_that_is_neither_a_preset_nor_a_hub_id_is_refused(name: str) -> None:
    result = plan(MINIMAL.replace("[minilm-l6]", f'["{name}"]'))
    assert result.exit_code == 2
    assert "bad.yaml:4: models[0]:" in result.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("task: token_clasification", "bad.yaml:2: task: unknown task 'token_clasification'; did you mean"),
        ("task: ./missing.py", "bad.yaml:2: task: unknown task"),
        ("data: {name: cr-ecs}", "bad.yaml:3: data: unknown dataset 'cr-ecs'; did you mean 'cr-ecss'?"),
        ("data: {name: cr-ecss}", "--data PATH (data.path)"),
        ("data: {path: missing.jsonl}", "missing.jsonl does not exist"),
        ("data: {}", "bad.yaml:3: data: one of name, path, train or hub is needed"),
        ("data: cr-ecss", "bad.yaml:3: data: must be a mapping (`key: value`), got 'cr-ecss'"),
        ("models: [minilm-l7]", "bad.yaml:4: models[0]: unknown model 'minilm-l7'; did you mean 'minilm-l6'?"),
        ("models: [minilm-l6, minilm-l6]", "bad.yaml:4: models: names 'minilm-l6' more than once"),
        ("models: []", "bad.yaml:4: models:"),
        ("models: {a: {path: nowhere}}", "bad.yaml:4: models.a:"),
        ("models: {a: {path: x, hub: a/b}}", "bad.yaml:4: models.a: path and hub exclude each other"),
        ("models: {minilm-l6: {precison: bf16}}", "unknown key 'precison'; did you mean 'precision'?"),
        ("models: {minilm-l6: {}, twin: {hub: a/b, trust_remote_code: true}}", "trust_remote_code also needs a pinned"),
    ],
)
def test_what_cannot_be_found_is_named_with_its_line(line: str, message: str) -> None:
    key = line.partition(":")[0]
    result = plan("\n".join(line if written.startswith(key) else written for written in MINIMAL.splitlines()))
    assert result.exit_code == 2
    assert message in result.stderr


def test_all_problems_of_a_file_are_reported_at_once_in_its_order() -> None:
    result = plan(MINIMAL + "seeds: []\ntrain:\n  epochs: 0\n  batch_size: 0\nepohcs: 1\n")
    lines = [line for line in result.stderr.splitlines() if "bad.yaml:" in line]
    assert [line.split("bad.yaml:")[1].split(":")[0] for line in lines] == ["5", "7", "8", "9"]


def test_wrong_keys_and_unknown_names_are_one_report() -> None:
    names = "task: token_clasification\ndata: {name: cr-ecs}\nmodels: [minilm-l7]\nrecipes: {fast: {bucketing: {}}}\n"
    result = plan("experiment: bad\n" + names + "seeds: []\n")
    assert result.exit_code == 2
    for name in ("token_clasification", "cr-ecs", "minilm-l7", "bucketing", "seeds"):
        assert name in result.stderr


def test_needed_keys_are_named() -> None:
    result = plan("question: why\n")
    assert result.exit_code == 2
    for key in ("experiment", "task", "data", "models"):
        assert f"bad.yaml: {key}: is needed" in result.stderr


def test_a_problem_that_the_command_line_made_is_put_down_to_it() -> None:
    result = plan(MINIMAL, "--set", "train.epochs=0", "--seeds", "5-1")
    assert result.exit_code == 2
    assert "--set train.epochs: train.epochs: must be at least 1, got 0" in result.stderr
    assert "--seeds: seeds: has a range that runs backwards: 5-1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipes", "fast"], "unknown recipe 'fast'"),
        (["--set", "epochs"], "must be key.sub=value"),
        (["--models", "a,a"], "names 'a' more than once"),
        (["--max-runs", "3"], "the grid has 10 runs (1 systems x 10 seeds x 1 folds); the limit is 3"),
        (["--limit", "0"], "Invalid value for '--limit'"),
        (["--lanez", "1"], "No such option"),
    ],
)
def test_wrong_options_end_with_2_and_say_why(arguments: list[str], message: str) -> None:
    result = plan(MINIMAL, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_unknown_experiment_or_command_proposes_the_nearest() -> None:
    runner = CliRunner()
    assert "did you mean 'quickstart'?" in runner.invoke(main, ["plan", "quikstart"]).stderr
    assert "did you mean 'sweep'?" in runner.invoke(main, ["swep", "quickstart"]).stderr


def test_two_systems_that_are_the_same_are_refused_with_both_names(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, models={"one": {"path": "model"}, "two": {"path": "model"}})
    result = CliRunner().invoke(main, ["plan", str(path)])
    assert result.exit_code == 2
    assert "'one' and 'two' are the same system under two names" in result.stderr


def test_training_items_that_all_have_one_label_are_found_before_any_run(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, split={"ids": "ids.json"})
    items = [{**item, "labels": ["O"] * len(item["words"])} for item in tiny_items(6)]
    items[5] = {"id": 5, "words": ["odd"], "labels": ["Rare"]}
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (tmp_path / "ids.json").write_text(json.dumps({"train": [0, 1, 2, 3], "validation": [4, 5]}))
    result = CliRunner().invoke(main, ["sweep", str(path), "--in-process"])
    assert result.exit_code == 2
    assert "the training items have only the label 'O': nothing can be learned" in result.stderr
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("row", "message"), [("{broken", "3"), ('{"id": 99, "words": ["a"], "labels": []}', "99"), ('{"id": 1}', "")]
)
def test_a_broken_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    path = write_experiment(tmp_path)
    rows = (tmp_path / "items.jsonl").read_text().splitlines()
    (tmp_path / "items.jsonl").write_text("\n".join([*rows[:2], row, *rows[2:]]) + "\n")
    result = CliRunner().invoke(main, ["sweep", str(path), "--in-process"])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("results").exists()


def test_a_metric_that_says_nothing_about_the_labels_is_refused_before_any_run(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, compare={"metric": "span_f1"})
    result = CliRunner().invoke(main, ["sweep", str(path), "--in-process"])
    assert result.exit_code == 2
    assert "compare.metric: span_f1 cannot score these" in result.stderr
    assert not Path("results").exists()


def test_overlap_of_training_and_evaluation_items_is_a_warning_and_an_error_when_strict(tmp_path: Path) -> None:
    path = str(write_experiment(tmp_path))
    runner = CliRunner()
    assert "evaluation items are also training items" in runner.invoke(main, ["plan", path]).stderr
    strict = runner.invoke(main, ["sweep", path, "--in-process", "--strict"])
    assert strict.exit_code == 2
    assert "(--strict)" in strict.stderr
    dry = runner.invoke(main, ["sweep", path, "--strict", "--dry-run"])
    assert (dry.exit_code, "(--strict)" in dry.stderr) == (2, True)
    assert runner.invoke(main, ["sweep", path, "--dry-run"]).exit_code == 0


def test_a_file_of_the_users_that_cannot_be_imported_is_their_problem_and_not_a_bug(tmp_path: Path) -> None:
    (tmp_path / "my_task.py").write_text("import nothing_like_this\n")
    path = write_experiment(tmp_path, task="./my_task.py")
    result = CliRunner().invoke(main, ["plan", str(path)])
    assert result.exit_code == 2
    assert "the file cannot be imported: ModuleNotFoundError" in result.stderr
