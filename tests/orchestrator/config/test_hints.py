"""A key that other tools call something else, or that stands elsewhere, is answered with the one that is meant."""

from __future__ import annotations

import difflib
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.config.error_messages import MOST_OF_A_SECTION
from orchestrator.config.load import load, validate
from orchestrator.config.overrides import Changes
from orchestrator.config.resolve import resolve
from orchestrator.config.yaml_file import parse
from orchestrator.errors import InvalidExperiment, Problem
from tests.orchestrator.experiments import MINIMAL, write_experiment


def _problems(text: str, without: str = "") -> list[Problem]:
    """Every problem of the minimal experiment with this text instead of the line of the key `without`."""
    lines = [line for line in MINIMAL.splitlines() if not (without and line.startswith(f"{without}:"))]
    with pytest.raises(InvalidExperiment) as refused:
        validate(parse("\n".join([*lines, text]), "f.yaml"))
    return list(refused.value.problems)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lr", "learning_rate"),
        ("LearningRate", "learning_rate"),
        ("learning-rate", "learning_rate"),
        ("bs", "batch_size"),
        ("batch", "batch_size"),
        ("per_device_train_batch_size", "batch_size"),
        ("wd", "weight_decay"),
        ("weight-decay", "weight_decay"),
        ("epoch", "epochs"),
        ("num_epochs", "epochs"),
        ("num_train_epochs", "epochs"),
        ("max_len", "max_length"),
        ("max_seq_length", "max_length"),
        ("warmup_ratio", "warmup"),
        ("warmup_steps", "warmup"),
        ("dropout_rate", "dropout"),
        ("gradient_clip", "clip"),
        ("max_grad_norm", "clip"),
        ("eps", "epsilon"),
        ("adam_epsilon", "epsilon"),
        ("adam_beta1", "betas"),
        ("scheduler", "schedule"),
        ("lr_scheduler_type", "schedule"),
        ("patience", "early_stopping"),
        ("epohcs", "epochs"),
    ],
)
def test_names_of_other_tools_are_understood_for_all_models_for_one_in_adapt_and_in_a_search(
    tmp_path: Path, name: str, meant: str
) -> None:
    said = f"unknown key {name!r}; did you mean {meant!r}?"
    (problem,) = _problems(f"train: {{{name}: 1}}")
    assert (problem.key, problem.line) == (f"train.{name}", 5)
    assert problem.message.startswith(said)
    (problem,) = _problems(f"models: {{minilm-l6: {{{name}: 1}}}}", "models")
    assert problem.message.startswith(said)
    (problem,) = _problems(f"adapt: {{data: {{name: space-wiki}}, {name}: 1}}")
    assert problem.message.startswith(said)
    with pytest.raises(InvalidExperiment) as refused:
        validate(Changes(settings=(f"train.{name}=1",)).apply(parse(MINIMAL, "f.yaml")))
    assert said in str(refused.value)
    path = write_experiment(tmp_path, search={"parameters": {f"train.{name}": {"choice": [1, 2]}}})
    with pytest.raises(InvalidExperiment, match=rf"no system has .*; did you mean 'train.{meant}'\?"):
        resolve(load(str(path)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: 1e-3", "lr: unknown key 'lr'; did you mean 'learning_rate' under 'train'?"),
        ("seed: 1", "seed: unknown key 'seed'; did you mean 'seeds'?"),
        ("metric: accuracy", "metric: unknown key 'metric'; did you mean 'metric' under 'compare'?"),
        ("dataset: x", "dataset: unknown key 'dataset'; did you mean 'data'?"),
        ("model: x", "model: unknown key 'model'; did you mean 'models'?"),
        ("fp16: true", "fp16: unknown key 'fp16'; did you mean 'precision' under 'models.NAME'?"),
        ("train: {fp16: true}", "unknown key 'fp16'; did you mean 'precision' under 'models.NAME'?"),
        ("train: {seed: 1}", "train.seed: unknown key 'seed'; did you mean 'seeds' at the top level?"),
        ("train: {metric: f1}", "train.metric: unknown key 'metric'; did you mean 'metric' under 'compare'?"),
        ("train: {gradient_accumulation_steps: 2}", "did you mean 'accumulation' under 'resources'?"),
        ("split: {val_size: 0.2}", "split.val_size: unknown key 'val_size'; did you mean 'validation'?"),
        ("split: {n_splits: 5}", "split.n_splits: unknown key 'n_splits'; did you mean 'folds'?"),
        ("split: {random_state: 5}", "split.random_state: unknown key 'random_state'; did you mean 'seed'?"),
        ("resources: {num_gpus: 1}", "resources.num_gpus: unknown key 'num_gpus'; did you mean 'gpus_per_worker'?"),
        ("compare: {significance: 0.05}", "unknown key 'significance'; did you mean 'alpha'?"),
        ("nothing_like_it: 1", "unknown key 'nothing_like_it'; known: experiment, question"),
    ],
)
def test_a_key_that_stands_elsewhere_or_has_another_name_is_answered_with_its_section(text: str, message: str) -> None:
    assert message in str(InvalidExperiment("f.yaml", _problems(text)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: 1..10", "ranges such as 42-51, got '1..10'; write 1-10"),
        ("seeds: 1 to 10", "got '1 to 10'; write 1-10"),
        ("train: {epochs: '3'}", "train.epochs: must be a whole number, got '3'; remove the quotes"),
        ("train: {batch_size: 1_000}", "train.batch_size: must be a whole number, got '1_000'; write 1000"),
        ("train: {batch_size: '1,000'}", "train.batch_size: must be a whole number, got '1,000'; write 1000"),
        ("train: {warmup: 10%}", "train.warmup: must be a number, got '10%'; write 0.1"),
        ("train: {early_stopping: 3}", "must be a mapping (`key: value`), got 3; write {patience: 3}"),
        ("split: 0.2", "must be a mapping (`key: value`), got 0.2; write {validation: 0.2}"),
        ("split: {stratify: yes}", "split.stratify: must be true or false, got 'yes'; write true"),
        ("recipes: {fast: length_bucketing}", "got 'length_bucketing'; write {length_bucketing: {}}"),
        ("question: [why]", "question: must be text, got ['why']"),
    ],
)
def test_a_value_that_means_something_is_answered_with_how_to_write_it(text: str, message: str) -> None:
    assert message in str(InvalidExperiment("f.yaml", _problems(text)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: cr-ecss", "got 'cr-ecss'; write {name: cr-ecss}"),
        ("data: items.jsonl", "got 'items.jsonl'; write {path: items.jsonl}"),
        ("models: minilm-l3, minilm-l6", "models: must be a list of names; write [minilm-l3, minilm-l6]"),
        ("models: [minilm-l3, {minilm-l6: {epochs: 2}}]", "models: must be a list of names, got {'minilm-l6'"),
        ("models: [1, 2]", "models: must be a list of names, got 1"),
        ("models: {mine: ./folder}", "got './folder'; write {path: ./folder} for a folder"),
    ],
)
def test_a_short_form_that_a_file_cannot_use_is_answered_with_the_long_one(text: str, message: str) -> None:
    assert message in str(InvalidExperiment("f.yaml", _problems(text, text.partition(":")[0])))


def test_a_model_may_be_written_as_its_name_alone() -> None:
    text = MINIMAL.replace("[minilm-l6]", "minilm-l6")
    assert validate(parse(text, "f")) == validate(parse(MINIMAL, "f"))
    changed = Changes(settings=("models.minilm-l6.epochs=7",)).apply(parse(text, "f"))
    assert validate(changed).models["minilm-l6"].train_overrides() == {"epochs": 7}
    kept = Changes(models=("minilm-l6", "minilm-l3")).apply(parse(text, "f"))
    assert list(validate(kept).models) == ["minilm-l6", "minilm-l3"]
    with pytest.raises(InvalidExperiment, match=r"f:4: models: unknown model 'minilm-l7'; did you mean 'minilm-l6'"):
        validate(parse(text.replace("minilm-l6", "minilm-l7") + "epohcs: 1\n", "f"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {epochs: 999999999999999999999}", "train.epochs: must be at most 100000, got 999999999999999999999"),
        ("train: {batch_size: 10000000}", "train.batch_size: must be at most 1000000, got 10000000"),
        ("train: {max_length: 1000000000}", "train.max_length: must be at most 10000000, got 1000000000"),
        ("train: {warmup: 1e30}", "train.warmup: must be at most 1000000000, got 1e+30"),
        ("train: {early_stopping: {patience: 1000000}}", "patience: must be at most 100000, got 1000000"),
        ("keep_epochs: 1000000", "keep_epochs: must be at most 100000, got 1000000"),
        ("resources: {lanes: 1000000}", "resources.lanes: must be at most 100000, got 1000000"),
        ("resources: {checkpoint_minutes: 1e12}", "checkpoint_minutes: must be at most 1000000, got 1000000000000.0"),
        ("seeds: 0-99999,100000-199999", "seeds: has more than 100000 seeds"),
        ("models: {minilm-l6: {epochs: 1000000}}", "models.minilm-l6.epochs: must be at most 100000, got 1000000"),
    ],
)
def test_a_number_that_can_only_be_a_mistake_is_refused(text: str, message: str) -> None:
    without = "models" if text.startswith("models") else ""
    assert message in str(InvalidExperiment("f.yaml", _problems(text, without)))


@pytest.mark.parametrize(
    "lines",
    [
        [f"key_{number}: {number}" for number in range(50_000)],
        ["train:", *(f"  key_{number}: {number}" for number in range(50_000))],
        ["recipes:", "  default:", *(f"    variant_{number}: {{}}" for number in range(30_000))],
        ["compare:", "  tests:", *(f"    - {number}" for number in range(50_000))],
        ["seeds:", *(f"  - {number}.5" for number in range(50_000))],
    ],
)
def test_very_many_mistakes_are_answered_at_once_with_the_first_ones_and_their_number(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    monkeypatch.setattr(difflib, "get_close_matches", lambda name, *_, **__: compared.append(name) or [])
    started = time.process_time()
    problems = _problems("\n".join(lines))
    assert len(compared) <= 2 * MOST_OF_A_SECTION  # each takes about a millisecond
    assert time.process_time() - started < 10
    assert len(problems) <= MOST_OF_A_SECTION + 2


def test_how_many_more_mistakes_there_are_is_said_for_each_section() -> None:
    unknown = "\n".join(f"key_{number}: {number}" for number in range(30))
    problems = _problems(f"train: {{epochs: 0}}\n{unknown}")
    assert len(problems) == 22
    assert (problems[0].key, problems[0].line) == ("train.epochs", 5)
    assert [problem.key for problem in problems[1:21]] == [f"key_{number}" for number in range(20)]
    assert (problems[21].message, problems[21].line) == ("... and 10 more", 26)


def test_a_parameter_of_a_search_can_be_set_on_the_command_line(tmp_path: Path) -> None:
    path = str(write_experiment(tmp_path))
    setting = "search.parameters.train.learning_rate.choice=[1e-3, 1e-4]"
    changed = load(path, Changes(settings=(setting,)))
    assert changed.experiment.search is not None
    assert changed.experiment.search.parameters["train.learning_rate"].choice == (1e-3, 1e-4)
    result = CliRunner().invoke(main, ["plan", path, "--set", "search.parameters.train.lr={choice: [1, 2]}"])
    assert result.exit_code == 2
    assert "search.parameters.train.lr: no system has the setting 'train.lr'; did you mean" in result.stderr
