"""Every problem of a file is in one report, and a wrong type of any key names the key and its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from pydantic import BaseModel

from analysis.config import CompareConfig
from orchestrator.cli import main
from orchestrator.config import yaml_file
from orchestrator.config.experiment import Adapt, Experiment, ModelEntry, Resources
from orchestrator.config.load import validate
from orchestrator.config.search import Distribution, Search
from orchestrator.config.yaml_file import parse
from orchestrator.errors import InvalidExperiment, Problem
from tests.orchestrator.experiments import MINIMAL
from trainables.config import DataConfig, EarlyStopping, SplitConfig, TrainConfig

SECTIONS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Experiment,
    ("data",): DataConfig,
    ("split",): SplitConfig,
    ("models", "mine"): ModelEntry,
    ("models", "mine", "adapt"): Adapt,
    ("train",): TrainConfig,
    ("train", "early_stopping"): EarlyStopping,
    ("adapt",): Adapt,
    ("adapt", "data"): DataConfig,
    ("adapt", "split"): SplitConfig,
    ("compare",): CompareConfig,
    ("search",): Search,
    ("search", "parameters", "train.epochs"): Distribution,
    ("resources",): Resources,
}
WRONG: tuple[Any, ...] = ([[1]], {"x": {"y": [1]}}, True, "no such text", -1.5, 10**400, None, "", [], {})


def _keys() -> Iterator[tuple[str, ...]]:
    for section, model in SECTIONS.items():
        yield from ((*section, name) for name in model.model_fields)


@pytest.mark.parametrize("path", list(_keys()), ids=".".join)
def test_a_wrong_type_of_any_key_names_the_key_and_its_line(path: tuple[str, ...]) -> None:
    top = path[0]
    lines = [line for line in MINIMAL.splitlines() if not line.startswith(f"{top}:")]
    nested = [f"{'  ' * depth}{part}:" for depth, part in enumerate(path)]
    at = len(lines) + len(nested)
    refused = []
    for value in WRONG:
        text = "\n".join([*lines, *nested[:-1], f"{nested[-1]} {json.dumps(value)}"])
        problems = _refusals(text)
        refused += [problem for problem in problems if problem.line == at and _is_about(problem.key, path)]
    assert refused, "no wrong type of this key is put down to it"


def _refusals(text: str) -> tuple[Problem, ...]:
    """The problems of a file; none if it is accepted."""
    try:
        validate(parse(text, "f.yaml"))
    except InvalidExperiment as error:
        return error.problems
    return ()


def _is_about(key: str, path: tuple[str, ...]) -> bool:
    written = ".".join(path)
    return key == written or key.startswith((f"{written}.", f"{written}["))


def _plan(text: str) -> Result:
    Path("bad.yaml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(main, ["plan", "bad.yaml"])


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("ORCHESTRATE_DATA", raising=False)


@pytest.mark.usefixtures("_here")
def test_names_types_unknown_keys_and_what_does_not_fit_together_are_one_report() -> None:
    result = _plan(
        """experiment: bad
task: token_classification
data: {path: missing.jsonl, colums: {}}
models: {minilm-l3: {precison: bf16, epochs: many}}
models: [minilm-l6]
seeds: 1..3
train: {lr: 1e-3, batch_size: 0}
split: {validation: 0.7, test: 0.5, val: 0.1}
recipes: {fast: {lora: {rnak: 8}}, odd: {bucketing: {}}}
compare: {metric: acuracy, alpha: 2}
search: {parameters: {train.lr: {choice: [1, 2]}, train.epochs: {choice: [1]}}, trails: 3}
task_options: {nothing: 1}
"""
    )
    assert result.exit_code == 2
    for message in (
        "bad.yaml:3: data: ",
        "does not exist",
        "bad.yaml:3: data.colums: unknown key 'colums'; did you mean 'columns'?",
        "bad.yaml:4: models.minilm-l3.precison: unknown key 'precison'; did you mean 'precision'?",
        "bad.yaml:4: models.minilm-l3.epochs: must be a whole number, got 'many'",
        "bad.yaml:5: models: is there twice (first in line 4)",
        "bad.yaml:6: seeds: must be whole numbers >= 0",
        "bad.yaml:7: train.lr: unknown key 'lr'; did you mean 'learning_rate'?",
        "bad.yaml:7: train.batch_size: must be at least 1, got 0",
        "bad.yaml:8: split: validation and test together leave nothing to train on",
        "bad.yaml:8: split.val: unknown key 'val'; did you mean 'validation'?",
        "bad.yaml:9: recipes.fast.lora: lora has no option 'rnak'; did you mean 'rank'?",
        "bad.yaml:9: recipes.odd.bucketing: unknown variant 'bucketing'",
        "bad.yaml:10: compare.metric: unknown metric 'acuracy'; did you mean 'accuracy'?",
        "bad.yaml:10: compare.alpha: must be below 1, got 2",
        "bad.yaml:11: search.trails: unknown key 'trails'; did you mean 'trials'?",
        "bad.yaml:11: search.parameters.train.epochs: a choice needs at least two values",
        "bad.yaml:12: task_options.nothing: unknown option 'nothing'",
    ):
        assert message in result.stderr


@pytest.mark.usefixtures("_here")
def test_what_only_follows_from_a_key_that_was_left_out_is_not_reported() -> None:
    result = _plan(
        """experiment: bad
task: token_classification
data: {name: requirements-sample}
models: {mine: {path: 5}, minilm-l3: {}}
compare: {controls: {mine: negative}}
"""
    )
    assert [line for line in result.stderr.splitlines() if "bad.yaml" in line] == [
        "error: bad.yaml:4: models.mine.path: must be text, got 5"
    ]


@pytest.mark.usefixtures("_here")
def test_checking_the_file_alone_looks_up_no_data_even_if_the_file_is_wrong() -> None:
    text = MINIMAL.replace("{name: requirements-sample}", "{path: missing.jsonl}") + "train: {epochs: 0}\n"
    Path("bad.yaml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["validate", "bad.yaml", "--file-only"])
    assert result.exit_code == 2
    assert "train.epochs: must be at least 1, got 0" in result.stderr
    assert "missing.jsonl" not in result.stderr
    assert "missing.jsonl" in CliRunner().invoke(main, ["validate", "bad.yaml"]).stderr


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL,
        "a: 'text'\nb: \"5\"\nc: 5\nd: |\n  two\n  lines\ne: {f: [1, 2.5, ~, yes]}\n? g\n: !  5\nh: - 1\n",
        "a: x y\nb: >-\n  folded\n  text\nc: ''\nd:\ne: [a, [b, {c: d}]]\n",
        "é: ü\n'k: 1': 0x1f\n",
    ],
)
def test_both_parsers_read_the_same_values_and_lines(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome() -> object:
        try:
            document = yaml_file.parse(text, "f")
        except InvalidExperiment as error:
            return str(error)
        return document.content, document.lines

    fast = outcome()
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert outcome() == fast


@pytest.mark.parametrize("key", ["k" * 900, "train.epochs", "ключ", "a\\nb", " ", "0"])
def test_a_strange_key_is_unknown_in_few_words(key: str) -> None:
    with pytest.raises(InvalidExperiment) as refused:
        validate(parse(f'{MINIMAL}"{key}": {json.dumps("v" * 5_000)}\n', "f.yaml"))
    (problem,) = refused.value.problems
    assert problem.line == 5
    assert problem.message.startswith("unknown key ")
    assert len(problem.message) < 400


@pytest.mark.parametrize("value", ['"' + "x" * 5_000 + '"', "[" * 30 + "]" * 30, "{a: " * 30 + "1" + "}" * 30])
def test_a_very_long_or_deep_value_is_shown_in_few_words(value: str) -> None:
    for key in ("epochs", "schedule", "early_stopping"):
        with pytest.raises(InvalidExperiment) as refused:
            validate(parse(f"{MINIMAL}train:\n  {key}: {value}\n", "f.yaml"))
        assert all(problem.line == 6 and len(problem.message) < 400 for problem in refused.value.problems)
