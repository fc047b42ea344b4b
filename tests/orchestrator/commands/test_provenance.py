"""Which code a run comes from is asked once, in the driver, and never costs more than an empty column."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from orchestrator.commands import _provenance
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands._provenance import collect, commit, commit_of_file
from orchestrator.commands.sweep import SweepOptions, sweep
from orchestrator.config.load import load
from orchestrator.config.resolve import resolve
from orchestrator.storage import Store
from tests.orchestrator.experiments import write_experiment


def git(folder: Path, *arguments: str) -> str:
    """What git prints; nothing of this machine's settings is read."""
    person = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *person, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a commit, in a folder of a difficult name."""
    folder = tmp_path / "it's a\nrepository"
    (folder / "studies").mkdir(parents=True)
    (folder / "studies" / "a.yaml").write_text("experiment: a\n", encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def test_a_sweep_records_the_commit_of_the_experiments_repository_and_the_products_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = write_experiment(tmp_path, models={"tiny": {"path": "model"}}, seeds="1")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "tiny.yaml")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "elsewhere")
    out = str(tmp_path / "out")
    sweep(resolve(load(str(path))), SweepOptions(out=out, layout=LayoutOptions(in_process=True)))
    table = Store.open(out).table("runs")
    assert table is not None
    (row,) = table.to_pylist()
    assert row["git_commit"] == git(tmp_path, "rev-parse", "HEAD") + "-dirty"
    assert row["orchestrate_version"] == version("orchestrator")
    assert row["orchestrate_commit"] == commit_of_file(Path(_provenance.__file__))


def test_a_commit_is_dirty_where_tracked_files_differ_and_is_the_same_anywhere_in_the_repository(
    repository: Path,
) -> None:
    head = git(repository, "rev-parse", "HEAD")
    (repository / "results").mkdir()
    (repository / "new.txt").write_text("not tracked", encoding="utf-8")
    assert commit(repository) == commit(repository / "studies") == commit(repository / "results") == head
    (repository / "studies" / "a.yaml").write_text("experiment: b\n", encoding="utf-8")
    assert commit(repository) == commit(repository / "results") == f"{head}-dirty"
    git(repository, "commit", "--quiet", "--all", "--message", "second")
    assert commit(repository) == git(repository, "rev-parse", "HEAD") != head


def test_names_of_other_letters_and_lines_about_branches_are_no_changes(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "config", "core.quotePath", "false")
    git(repository, "config", "status.showStash", "true")
    (repository / "studies" / "a.yaml").write_text("stashed\n", encoding="utf-8")
    git(repository, "stash")
    head = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("LC_ALL", "C")
    assert commit(repository) == head
    (repository / "ü.yaml").write_text("experiment: u\n", encoding="utf-8")
    git(repository, "add", "--all")
    assert commit(repository) == f"{head}-dirty"


def test_what_git_says_of_the_callers_repository_is_not_taken_for_the_experiments(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As within a hook, or under `git rebase --exec`."""
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(repository))
    assert commit(tmp_path / "other") is None


def test_no_repository_no_commit_yet_and_no_such_folder_are_none_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "--quiet")
    (tmp_path / "torn" / ".git").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "new", tmp_path / "new" / ".git", tmp_path / "torn", tmp_path / "gone"):
        assert commit(folder) is None
    assert collect(tmp_path).git_commit is None
    assert capfd.readouterr() == ("", "")


def test_without_git_everything_else_is_known(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = repository / "git"
    fake.write_text("#!/bin/sh\necho run >&2\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.chdir(repository)
    for path in ("", str(repository / "studies")):
        monkeypatch.setenv("PATH", path)
        found = collect(repository)
        assert (found.git_commit, found.orchestrate_commit) == (None, None)
        assert found.orchestrate_version == version("orchestrator")
    assert capfd.readouterr() == ("", "")


def test_a_repository_of_somebody_else_is_none_without_a_word(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    refusal = subprocess.run(["git", "-C", repository, "status"], capture_output=True, text=True, check=False)
    assert "dubious ownership" in refusal.stderr
    assert commit(repository) is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "script", ["echo broken >&2; exit 1", "echo no commit", "kill -9 $$", "read answer; echo asked >&2; exec sleep 60"]
)
def test_a_git_that_is_broken_asks_or_hangs_is_none_within_its_time(
    script: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "git"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(_provenance, "GIT_SECONDS", 0.3)
    assert commit(repository) is None
    assert capfd.readouterr() == ("", "")


def test_what_only_lies_in_a_repository_is_not_of_its_commit(repository: Path) -> None:
    """As a wheel does that is installed into the `.venv` of the person's project."""
    package = repository / ".venv" / "lib" / "orchestrator"
    package.mkdir(parents=True)
    shutil.copy(_provenance.__file__, package)
    assert commit_of_file(package / "_provenance.py") is None
    assert commit_of_file(repository / "studies" / "a.yaml") == git(repository, "rev-parse", "HEAD")


def test_built_in_experiments_and_files_of_results_directories_get_the_commit_of_the_working_directory(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    head = git(repository, "rev-parse", "HEAD")
    assert collect(resolve(load("quickstart"), must_be_available=False).folder).git_commit == head
    swept = tmp_path / "swept"
    path = write_experiment(swept.parent)
    (swept / "runs" / ("0" * 16)).mkdir(parents=True)
    shutil.copytree(path.parent / "model", swept / "model")
    shutil.copy(path.parent / "items.jsonl", swept)
    shutil.copy(path, swept / "experiment.yaml")
    found = resolve(load(str(swept)))
    assert found.folder is None
    assert collect(found.folder).git_commit == head
    assert resolve(load(str(path))).folder == path.parent


def test_a_repository_that_came_with_results_starts_nothing(repository: Path, tmp_path: Path) -> None:
    """Its settings name programs that `git status` would start."""
    started = tmp_path / "started"
    (repository / ".gitattributes").write_text("*.yaml filter=planted\n", encoding="utf-8")
    git(repository, "config", "filter.planted.clean", f"touch '{started}'; cat")
    (repository / "studies" / "a.yaml").write_text("experiment: b\n", encoding="utf-8")
    (repository / "runs" / ("0" * 16)).mkdir(parents=True)
    assert commit(repository) is None
    assert commit(repository / "studies") is None
    assert not started.exists()
    shutil.rmtree(repository / "runs")
    assert str(commit(repository)).endswith("-dirty")
    assert started.exists(), "git would have started it"
