"""Options that the data decide are filled in before a run gets its id, which changes for exactly those data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.load import load
from orchestrator.config.resolve import ResolvedExperiment, grid_runs, resolve
from orchestrator.errors import InvalidExperiment
from tests.orchestrator.experiments import write_experiment
from tests.trainables.tasks.questions import tiny_questions

ANSWERED = [question for question in tiny_questions(12) if question["answers"]["text"]]


def _resolved(folder: Path, items: list[dict[str, Any]], **options: Any) -> ResolvedExperiment:
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    changes = {"task": "question_answering", "data": {"path": "questions.jsonl"}, "task_options": options}
    return resolve(load(str(write_experiment(folder, **changes))))


def _option(resolved: ResolvedExperiment) -> str | None:
    value: str | None = resolved.systems[0].config.task_options["no_answer"]
    return value


def _ids(resolved: ResolvedExperiment) -> list[str]:
    return [run.run_id for run in grid_runs(resolved)]


def test_where_every_question_has_an_answer_each_gets_one_and_the_id_says_so(tmp_path: Path) -> None:
    resolved = _resolved(tmp_path, ANSWERED)
    assert _option(resolved) == "never"
    assert resolved.notes == (
        "every question has an answer, so each gets one (task_options.no_answer: allowed permits none)",
    )
    assert grid_runs(resolved)[0].identity()["task_options"]["no_answer"] == "never"
    assert _ids(resolved) == _ids(_resolved(tmp_path, ANSWERED, no_answer="never"))
    assert set(_ids(resolved)).isdisjoint(_ids(_resolved(tmp_path, ANSWERED, no_answer="allowed")))


def test_where_some_question_has_none_nothing_changes(tmp_path: Path) -> None:
    resolved = _resolved(tmp_path, tiny_questions(12))
    assert _option(resolved) is None
    assert resolved.notes == ()
    assert "no_answer" not in grid_runs(resolved)[0].identity()["task_options"]


@pytest.mark.parametrize("options", [{"no_answer_threshold": 5.0}, {"tune_threshold": True}, {"no_answer": "allowed"}])
def test_what_the_user_chose_stays(tmp_path: Path, options: dict[str, Any]) -> None:
    resolved = _resolved(tmp_path, ANSWERED, **options)
    assert _option(resolved) == options.get("no_answer")
    assert resolved.notes == ()


def test_a_threshold_that_is_never_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidExperiment, match="no_answer: never uses no threshold"):
        _resolved(tmp_path, ANSWERED, no_answer="never", tune_threshold=True)


def test_questions_that_cannot_be_read_are_left_for_the_check_of_the_data(tmp_path: Path) -> None:
    assert _option(_resolved(tmp_path, [*ANSWERED, {"id": "x", "question": "a", "context": "b"}])) is None
