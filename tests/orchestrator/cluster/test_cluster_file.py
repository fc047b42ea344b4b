"""A cluster file is read as strictly as an experiment: every mistake at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cluster.cluster_file import read
from orchestrator.errors import InvalidExperiment
from tests.orchestrator.cluster.files import AWS, ON_PREMISE, changed, filled_in


@pytest.mark.parametrize("path", [AWS, ON_PREMISE], ids=lambda path: path.name)
def test_the_files_of_the_project_pass_and_say_what_is_to_be_filled_in(path: Path) -> None:
    found = read(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    unfilled = found.placeholders()
    assert len(unfilled) >= 5
    for problem in unfilled:
        assert problem.line is not None
        assert problem.message.removeprefix("still says ") in lines[problem.line - 1]


def test_a_file_that_is_filled_in_has_no_placeholders(tmp_path: Path) -> None:
    found = read(filled_in(tmp_path))
    assert found.placeholders() == []
    assert found.metadata == {"results": "/shared/results", "data": "/shared/data"}
    assert (found.name, found.provider) == ("orchestrate-on-premise", "local")


def test_every_unknown_key_is_reported_at_once_with_the_nearest_known_one(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        AWS,
        ("idle_timeout_minutes:", "idle_timeout_minute:"),
        ("  cache_stopped_nodes:", "  cache_stoped_nodes:"),
        ("  results: s3", "  result: s3"),
        ("    min_workers: 1", "    min_worker: 1"),
    )
    with pytest.raises(InvalidExperiment) as caught:
        read(path)
    said = str(caught.value)
    assert len(caught.value.problems) == 4
    for right in ("idle_timeout_minutes", "cache_stopped_nodes", "results", "min_workers"):
        assert f"did you mean {right!r}?" in said
    assert all(problem.line for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("max_workers: 2                  #", "max_workers: two  #", "'two' is not of type 'integer'"),
        ("max_workers: 2                  #", "max_workers: 0  #", "smaller than the sum of `min_workers`"),
        ("head_node_type: head\n", "head_node_type: heed\n", "`head_node_type` must be one of"),
        ("cluster_name: orchestrate\n", "cluster_name: yes\n", "Ray's launcher reads this as True"),
        ("cluster_name: orchestrate\n", "cluster_name: &a orchestrate\n", "anchors and aliases are not supported"),
        ("cluster_name: orchestrate\n", "cluster_name: [\n", "expected ',' or ']'"),
        ("cluster_name: orchestrate\n", "cluster_name: !!python/name:os.system a\n", "only plain values are read"),
        ("  data: /shared/data ", "  data: 7 ", "must be text, got 7"),
        ("provider:\n  type: aws", "provider:\n  kind: aws", "needs 'type'"),
    ],
)
def test_a_mistake_is_one_problem_at_its_place(tmp_path: Path, before: str, after: str, said: str) -> None:
    with pytest.raises(InvalidExperiment, match=r"cluster\.yaml") as caught:
        read(changed(tmp_path, AWS, (before, after)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_named_hosts_need_a_head_and_a_list_of_workers(tmp_path: Path) -> None:
    with pytest.raises(InvalidExperiment, match="needs 'worker_ips'"):
        read(changed(tmp_path, ON_PREMISE, ("  worker_ips: [192.0.2.11]", "  # none")))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidExperiment, match="cannot be read: No such file"):
        read(tmp_path / "nowhere.yaml")
