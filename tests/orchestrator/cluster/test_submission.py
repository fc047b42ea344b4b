"""What would be sent to a cluster: the command there, where its results go, and what is refused before anything is."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from orchestrator.cluster.jobs import ClusterPaths, Submission, prepare
from orchestrator.errors import UserError

PLACE = ClusterPaths("/shared/results/", "/shared/data")
EXPERIMENT = "experiment: my-run\ntask: token_classification\ndata: {path: ./items.jsonl}\nmodels: [minilm-l6]\n"


def sweep(*arguments: str, place: ClusterPaths = PLACE, folder: Path | None = None, **values: str) -> Submission:
    """The job for a sweep of the first argument."""
    return prepare("sweep", arguments, {"experiment": arguments[0], "out": None, **values}, place, folder)


def test_a_built_in_experiment_is_sent_as_a_command_alone() -> None:
    found = sweep("quickstart", "--seeds", "1-2")
    expected = ("orchestrate", "sweep", "quickstart", "--seeds", "1-2", "--out", "/shared/results/quickstart")
    assert found.command == expected
    assert found.results == "/shared/results/quickstart"
    environment = found.runtime_environment()
    assert "working_dir" not in environment
    assert environment["env_vars"]["ORCHESTRATE_DATA"] == "/shared/data"


def test_an_experiment_file_is_sent_with_its_folder_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "mine"; rm -rf $HOME'
    folder.mkdir()
    path = folder / "-my experiment.yaml"
    path.write_text(EXPERIMENT)
    found = sweep(str(path))
    assert found.runtime_environment()["working_dir"] == str(folder)
    assert found.command == ("orchestrate", "sweep", "./-my experiment.yaml", "--out", "/shared/results/my-run")
    assert tuple(shlex.split(found.entrypoint)) == found.command
    assert found.name.startswith("sweep-my-run-")


def test_another_folder_can_be_sent_if_the_experiment_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    path = tmp_path / "experiments" / "mine.yaml"
    path.write_text(EXPERIMENT)
    assert "./experiments/mine.yaml" in sweep(str(path), folder=tmp_path).command
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="is not in"):
        sweep(str(path), folder=tmp_path / "other")


def test_a_json_document_is_not_mixed_with_progress() -> None:
    assert sweep("quickstart", "--json").command[3:5] == ("--json", "--quiet")
    assert "--quiet" not in sweep("quickstart").command


def test_results_may_go_to_an_object_store() -> None:
    found = sweep("quickstart", "--out", "s3://bucket/here", out="s3://bucket/here")
    assert found.results == "s3://bucket/here"
    assert found.command.count("--out") == 1


def test_a_relative_source_of_an_analysis_is_one_of_the_results_on_the_cluster() -> None:
    values = {"sources": ("quickstart", "s3://bucket/other"), "out": None}
    found = prepare("analyze", ["quickstart", "s3://bucket/other", "--alpha", "0.1"], values, PLACE, None)
    expected = ("orchestrate", "analyze", "/shared/results/quickstart", "s3://bucket/other", "--alpha", "0.1")
    assert found.command == expected
    assert found.results == "/shared/results/quickstart/analysis"


def test_a_file_as_source_of_an_analysis_means_the_results_of_its_experiment_on_the_cluster(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("experiment: tiny\n")
    found = prepare("analyze", [str(file)], {"sources": (str(file),)}, PLACE, None)
    assert found.command == ("orchestrate", "analyze", "/shared/results/tiny")


@pytest.mark.parametrize(
    ("arguments", "place", "values", "said"),
    [
        (("quickstart",), ClusterPaths(), {}, "where do the results go"),
        (("quickstart",), ClusterPaths("results"), {}, "--results must be an absolute path"),
        (("quickstart",), PLACE, {"out": "here"}, "--out must be an absolute path"),
        (("quickstart",), PLACE, {"address": "auto"}, "--address cannot be used here"),
        (("quickstrat",), PLACE, {}, "did you mean 'quickstart'"),
    ],
)
def test_what_cannot_work_there_is_refused_here(
    arguments: tuple[str, ...], place: ClusterPaths, values: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        sweep(*arguments, place=place, **values)
