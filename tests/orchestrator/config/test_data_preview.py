"""What `validate` and `plan` say of the data: how it was read, its labels, its first items, and their tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import orchestrator
from orchestrator.cli import main
from orchestrator.config.data_preview import SAMPLED_ITEMS, DataPreview, label_counts, sampled
from orchestrator.config.yaml_file import dump
from orchestrator.console.data_preview import item_lines, preview_lines
from tests.tiny import tiny_model

Write = Callable[..., Path]
CSV = (
    "sentence,mood\nthe power bus ,up\nthe data bus,down\nthe memory device,up\nthe battery cell,up\nthe launch,down\n"
)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write an experiment file with one tiny model on the data of one file."""
    monkeypatch.chdir(tmp_path)
    tiny_model(tmp_path / "model")

    def written(content: str, file: str = "d.csv", task: str = "sequence_classification", **changes: Any) -> Path:
        (tmp_path / file).write_text(content, encoding="utf-8")
        experiment = {
            "experiment": "tiny",
            "task": task,
            "data": {"path": file},
            "split": {"validation": 0.4, "stratify": False},
            "models": {"tiny": {"path": "model"}},
            "seeds": "1-2",
            **changes,
        }
        path = tmp_path / "tiny.yaml"
        path.write_text(dump(experiment), encoding="utf-8")
        return path

    return written


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


MOOD = {"data": {"path": "d.csv", "columns": {"text": "sentence", "label": "mood"}}}


def test_validate_says_how_the_data_is_read_on_stderr_and_prints_the_experiment_on_stdout(write: Write) -> None:
    write(CSV, **MOOD)
    result = invoke("validate", "tiny.yaml")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("experiment: tiny\n")
    assert "5 items, 2 labels; 3 train, 2 evaluate" in result.stderr
    assert "d.csv as csv (cells separated by commas, utf-8)" in result.stderr
    assert "columns     text <- sentence, label <- mood" in result.stderr
    assert "labels      up 3, down 2" in result.stderr
    assert "first item  text: the power bus\n            label: up" in result.stderr
    assert "tokens      tiny: median " in result.stderr
    assert "no item is cut at max_length 128" in result.stderr


def test_the_document_holds_what_was_read(write: Write) -> None:
    write(CSV, train={"max_length": 6}, **MOOD)
    checked = json.loads(invoke("validate", "tiny.yaml", "--json").stdout)["data"]
    planned = json.loads(invoke("plan", "tiny.yaml", "--json").stdout)["data"]
    assert checked == planned
    assert {name: checked[name] for name in ("format", "delimiter", "encoding", "columns", "items", "labels")} == {
        "format": "csv",
        "delimiter": ",",
        "encoding": "utf-8",
        "columns": {"text": "sentence", "label": "mood"},
        "items": 5,
        "labels": 2,
    }
    assert checked["label_counts"] == {"up": 3, "down": 2}
    assert [item["text"] for item in checked["first_items"]] == ["the power bus ", "the data bus", "the memory device"]
    assert list(checked["token_lengths"]) == ["p50", "p95", "max"]
    assert checked["cut_items"] == sum(entry["cut_items"] for entry in checked["tokenizers"])
    assert checked["tokenizers"][0] == {
        "models": ["tiny"],
        "max_length": 6,
        "items": 5,
        **checked["token_lengths"],
        "cut_items": checked["cut_items"],
        "problem": None,
        "fails": False,
    }


def test_plan_shows_the_data_among_its_lines_and_python_gets_it_as_a_field(write: Write) -> None:
    path = write(CSV, **MOOD)
    assert "labels      up 3, down 2\n" in invoke("plan", "tiny.yaml").stdout
    assert "labels      up 3" not in invoke("plan", "tiny.yaml", "--no-data").stdout
    planned = orchestrator.plan(path)
    assert planned.data is not None
    assert (planned.data.items, planned.data.labels) == (5, {"up": 3, "down": 2})
    assert orchestrator.plan(path, show_data=False).data is None


@pytest.mark.parametrize(
    "content",
    ["sentence,mood\na b,up\n ,down\n", "sentence,mood\na,up\nb,up\n", "sentence,mood\na b,-1\nc,up\n"],
    ids=["an empty text", "one class", "a hidden label"],
)
def test_validate_refuses_data_that_plan_refuses(write: Write, content: str) -> None:
    write(content, **MOOD)
    refused = invoke("validate", "tiny.yaml")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == invoke("plan", "tiny.yaml").stderr


def test_without_data_nothing_is_looked_for(write: Write, tmp_path: Path) -> None:
    write(CSV, **MOOD)
    (tmp_path / "d.csv").unlink()
    assert invoke("validate", "tiny.yaml").exit_code == 2
    result = invoke("validate", "tiny.yaml", "--no-data", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["data"] is None
    assert document["experiment"]["data"]["fingerprint"] is None


def test_the_data_of_an_experiment_that_names_code_is_read_only_if_the_code_may_run(write: Write) -> None:
    code = "from trainables.tasks.sequence_classification import TASK\n"
    path = write(CSV, task="./mine.py", **MOOD)
    (path.parent / "mine.py").write_text(code)
    result = invoke("validate", "tiny.yaml", "--json")
    assert (result.exit_code, json.loads(result.stdout)["data"]) == (0, None)
    assert json.loads(invoke("validate", "tiny.yaml", "--run-code", "--json").stdout)["data"]["items"] == 5


def test_words_stand_beside_their_labels(write: Write) -> None:
    rows = [{"words": ["The", "bus"], "labels": ["O", "Power"]}, {"words": ["A", "cell"], "labels": ["O", "Power"]}]
    write("".join(json.dumps(row) + "\n" for row in rows), "d.jsonl", "token_classification", train={"max_length": 4})
    data = orchestrator.plan("tiny.yaml").data
    assert data is not None
    lines = dict(preview_lines(data))
    assert lines["labels"] == "O 2, Power 2"
    assert lines["first item"] == "The|O bus|Power"
    assert data.tokens[0].p50 is not None
    assert data.tokens[0].p50 >= 4  # two words between the tokens for beginning and end


def test_the_answer_is_marked_in_its_context_and_one_that_no_window_holds_counts_as_cut(write: Write) -> None:
    long = "The power bus shall provide a regulated voltage of 28 V to the payload during eclipse . " * 3
    answer = {"text": ["hydrazine"], "answer_start": [15]}
    rows = [
        {"question": "What ?", "context": "The tank holds hydrazine .", "answers": answer},
        {"question": "Who ?", "context": "No one .", "answers": {"text": [], "answer_start": []}},
        {"question": "What ?", "context": long, "answers": {"text": [long.strip()], "answer_start": [0]}},
    ]
    options = {"task_options": {"stride": 4}, "train": {"max_length": 32}}
    write("".join(json.dumps(row) + "\n" for row in rows), "d.jsonl", "question_answering", **options)
    data = orchestrator.plan("tiny.yaml").data
    assert data is not None
    assert data.labels == {"answer": 2, "no answer": 1}
    assert item_lines(data.first_items[0]) == ["question: What ?", "context: The tank holds [[hydrazine]] ."]
    assert item_lines(data.first_items[1])[1] == "context: No one . (no answer)"
    assert data.tokens[0].cut_items == 1


def test_a_length_with_which_no_run_can_work_is_a_warning(write: Write) -> None:
    answers = {"text": ["tank"], "answer_start": [4]}
    rows = [{"question": "What ?", "context": f"The tank holds {number} .", "answers": answers} for number in range(4)]
    options = {"task_options": {"stride": 32}, "train": {"max_length": 32}}
    write("".join(json.dumps(row) + "\n" for row in rows), "d.jsonl", "question_answering", **options)
    result = invoke("validate", "tiny.yaml")
    assert result.exit_code == 0
    assert "warning: tiny: no run can work: question" in result.stderr
    assert "raise train.max_length or lower task_options.stride" in result.stderr


def test_pairs_and_lists_of_labels_are_shown_field_by_field() -> None:
    pair = {"id": 1, "text": "one", "text_pair": "two", "label": "same"}
    assert item_lines(pair) == ["text: one", "text_pair: two", "label: same"]
    assert item_lines({"text": "one", "labels": ["a", "b"]}) == ["text: one", "labels: a, b"]
    assert item_lines({"text": "one", "labels": []}) == ["text: one", "labels: none"]


def test_labels_that_differ_in_blanks_are_seen_and_many_are_counted() -> None:
    items = [{"label": label} for label in ["neg", " neg", "neg", *(f"c{number}" for number in range(12))]]
    counts = label_counts(items, ("text", "label"))
    data = DataPreview("d.csv", (), len(items), {}, counts, ({"text": "x"},), ())
    assert dict(preview_lines(data))["labels"] == (
        "neg 2, ' neg' 1, c0 1, c1 1, c2 1, c3 1, c4 1, c5 1, c6 1, c7 1, ... and 4 more"
    )


def test_a_tokenizer_that_is_not_on_this_machine_is_said_and_no_error(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write(CSV, models={"tiny": {"path": "model"}, "nobody/nothing": {}}, **MOOD)
    result = invoke("validate", "tiny.yaml", "--json")
    assert result.exit_code == 0, result.stderr
    known, unknown = json.loads(result.stdout)["data"]["tokenizers"]
    assert (known["models"], known["problem"]) == (["tiny"], None)
    assert unknown["models"] == ["nobody/nothing"]
    assert "not on this machine" in unknown["problem"]
    assert unknown["p50"] is None


def test_large_data_is_sampled_evenly_and_bounded_in_characters() -> None:
    items = [{"id": number, "text": "x" * 10, "other": "y"} for number in range(10 * SAMPLED_ITEMS)]
    chosen = sampled(items, ("text",), 10**6)
    assert [item["id"] for item in chosen[:3]] == [0, 10, 20]
    assert len(chosen) == SAMPLED_ITEMS
    assert set(chosen[0]) == {"id", "text"}
    assert len(sampled(items, ("text",), 1100)) == 100  # eleven each: the text and the id
    assert len(sampled(items, ("text",), 1)) == 1
