"""Code runs only where a person asked for it: never out of a saved folder, and out of results only when told so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.sweep import SweepOptions, sweep
from orchestrator.config import yaml_file
from orchestrator.config.yaml_file import dump
from tests.orchestrator.experiments import resolved, write_experiment
from tests.tiny import tiny_model
from trainables.modeling.saved_model import write_manifest

COMMIT = "c0ffee" + "0" * 34
TASK = """from pathlib import Path
from trainables.tasks.token_classification import TASK
Path({canary!r}).touch()
"""


def typed(*arguments: str | Path) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def own_task(path: Path, canary: Path) -> Path:
    """A task of the user's that leaves a mark when it is run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TASK.format(canary=str(canary)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one run whose task is a Python file, with its saved weights; the file is as it was."""
    folder = tmp_path_factory.mktemp("results")
    task = own_task(folder / "own.py", folder / "ran")
    experiment = resolved(folder, task=str(task), models={"tiny": {"path": "model"}}, seeds="1", save="best")
    sweep(experiment, SweepOptions(out=str(folder / "out"), layout=LayoutOptions(in_process=True)))
    return folder / "out"


@pytest.fixture
def mark(results: Path) -> Path:
    """Where the task of the results leaves its mark; there is none yet. It is imported anew."""
    for name in [name for name in sys.modules if name.startswith("trainables_task_")]:
        del sys.modules[name]
    (results.parent / "ran").unlink(missing_ok=True)
    return results.parent / "ran"


def test_a_saved_run_never_runs_the_file_that_it_names(results: Path, mark: Path, tmp_path: Path) -> None:
    exported = typed("export", "tiny:1", "--to", tmp_path / "model", "--out", results)
    assert exported.exit_code == 0, exported.output
    shutil.copy(results.parent / "own.py", tmp_path / "model" / "own.py")
    (tmp_path / "model" / "manifest.json").unlink()
    task = json.loads((tmp_path / "model" / "task.json").read_text())
    for named in ("own.py", str(tmp_path / "model" / "own.py"), "./own.py"):
        (tmp_path / "model" / "task.json").write_text(json.dumps({**task, "task": named}))
        write_manifest(tmp_path / "model")
        refused = typed("predict", tmp_path / "model", "The power bus")
        assert refused.exit_code == 2, refused.output
        assert "files named in a folder are not run; give it with --task PATH/own.py" in refused.stderr
        assert not mark.exists()
    refused = typed("predict", "tiny:1", "The power bus", "--out", results)
    assert (refused.exit_code, mark.exists()) == (2, False), refused.output


def test_a_person_can_give_the_file_and_is_told_where_it_is_another_one(
    results: Path, mark: Path, tmp_path: Path
) -> None:
    given = typed("predict", "tiny:1", "The power bus", "--out", results, "--task", results.parent / "own.py")
    assert (given.exit_code, mark.exists()) == (0, True), given.output
    assert "the run was made with" not in given.output
    other = own_task(tmp_path / "other.py", tmp_path / "mark")
    given = typed("predict", "tiny:1", "The power bus", "--out", results, "--task", other)
    assert given.exit_code == 0, given.output
    assert "other.py is not the file that the run was made with" in given.stderr
    missing = typed("predict", "tiny:1", "x", "--out", results, "--task", tmp_path / "none.py")
    assert missing.exit_code == 2, missing.output


@pytest.mark.parametrize("verb", ["sweep", "plan", "validate", "probe", "profile"])
@pytest.mark.parametrize("inside", ["", "experiment.yaml"])
def test_the_experiment_of_a_results_directory_runs_no_code_unasked(
    results: Path, mark: Path, verb: str, inside: str
) -> None:
    found = typed(verb, results / inside)
    assert not mark.exists()
    if verb == "validate":
        assert found.exit_code == 0, found.output
        assert "not checked, because it is code: task: " in found.stderr
    else:
        assert found.exit_code == 2, found.output
        assert "belongs to a results directory, which is data, and names code:\n  task: /" in found.stderr
        assert "add --run-code to run it" in found.stderr


def test_however_the_file_of_a_results_directory_is_named_it_runs_no_code_unasked(
    results: Path, mark: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(results, tmp_path / "out")
    written = copy / "experiment.yaml"
    (copy / "analysis").mkdir(exist_ok=True)
    bare = tmp_path / "bare"
    bare.mkdir()
    ways = [copy / "renamed.yml", copy / "analysis" / "experiment.yaml", bare / "experiment.yaml"]
    for path in ways:
        shutil.copy(written, path)
    (copy / "real.yaml").write_bytes(written.read_bytes())
    written.unlink()
    written.symlink_to(copy / "real.yaml")
    (tmp_path / "link.yaml").symlink_to(copy / "real.yaml")
    for path in (*ways, written, tmp_path / "link.yaml"):
        found = typed("plan", path)
        assert (found.exit_code, mark.exists()) == (2, False), (path, found.output)
        assert "add --run-code to run it" in found.stderr


def test_a_preset_by_path_is_code_however_it_is_spelt(tmp_path: Path) -> None:
    mark, folder = tmp_path / "mark", tmp_path / "out"
    own_task(folder / "preset.py", mark)
    (folder / "weights").symlink_to(folder / "preset.py")
    (folder / "cells.json").write_text("{}")
    for spelt in ("preset.py/", "preset.py/.", "weights"):
        path = write_experiment(folder, models={"a": {"path": spelt}})
        assert typed("plan", path).exit_code == 2
        assert typed("validate", path).exit_code == 0
        assert not mark.exists()


def test_a_person_s_own_file_beside_a_folder_called_runs_is_their_own(tmp_path: Path) -> None:
    own_task(tmp_path / "own.py", tmp_path / "mark")
    (tmp_path / "runs").mkdir()
    path = write_experiment(tmp_path, task="own.py", models={"tiny": {"path": "model"}})
    path = path.rename(tmp_path / "experiment.yaml")
    assert typed("plan", path).exit_code == 0
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("def", "cannot be imported: SyntaxError"),
        ("import no_such_module_here", "cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit"),
        ("TASK = 3", "TASK is not a task but int"),
        ("x = 3", "does not define TASK"),
    ],
)
def test_a_given_task_that_is_broken_is_its_author_s_and_no_bug(
    results: Path, tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "task.py").write_text(content)
    found = typed("predict", "tiny:1", "x", "--out", results, "--task", tmp_path / "task.py")
    assert found.exit_code == 2, found.output
    assert reason in found.stderr
    named = typed("predict", "tiny:1", "x", "--out", results, "--task", "token_classification")
    assert (named.exit_code, "must be the Python file" in named.stderr) == (2, True)


def test_a_folder_of_the_repository_s_name_is_not_the_repository(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    typed("export", "tiny:1", "--to", folder, "--out", results)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "owner/name--own.OwnConfig"}}))
    task = json.loads((folder / "task.json").read_text())
    model = {**task["config"]["model"], "trust_remote_code": True, "revision": COMMIT, "source": "owner/name"}
    changed = {**task, "task": "token_classification", "config": {**task["config"], "model": model}}
    (folder / "task.json").write_text(json.dumps(changed))
    write_manifest(folder)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    (tmp_path / "owner" / "name" / "own.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    found = typed("predict", folder, "x", "--trust-remote-code", f"owner/name@{COMMIT}")
    assert (found.exit_code, (tmp_path / "canary").exists()) == (2, False), found.output
    assert "owner/name is also a folder here" in found.stderr


def test_with_run_code_the_experiment_of_a_results_directory_does(results: Path, mark: Path) -> None:
    allowed = typed("sweep", results, "--out", results, "--run-code", "--no-analyze")
    assert (allowed.exit_code, mark.exists()) == (0, True), allowed.output


def test_the_users_own_file_needs_no_flag_and_validate_says_what_it_did_not_check(tmp_path: Path) -> None:
    mark, task = tmp_path / "mark", own_task(tmp_path / "own.py", tmp_path / "mark")
    path = write_experiment(
        tmp_path,
        task="own.py",
        recipes={"own": {"./own.py": {}}, "default": {}},
        compare={"metric": "./own.py"},
        models={"tiny": {"path": "model"}, "preset": {"path": "own.py"}},
    )
    checked = typed("validate", path)
    assert (checked.exit_code, mark.exists()) == (0, False), checked.output
    for where in ("task", "compare.metric", "models.preset", "recipes.own"):
        assert f"not checked, because it is code: {where}: {task}" in checked.stderr, checked.stderr
    assert yaml_file.parse(checked.stdout, "printed").content["task"] == str(task)
    (tmp_path / "other").mkdir()
    only_task = write_experiment(tmp_path / "other", task="../own.py", models={"tiny": {"path": "model"}})
    assert typed("plan", only_task).exit_code == 0
    assert mark.exists()
    mark.unlink()
    for name in [name for name in sys.modules if name.startswith("trainables_task_")]:
        del sys.modules[name]
    assert typed("validate", only_task, "--run-code").exit_code == 0
    assert mark.exists()


def test_validate_still_finds_what_is_wrong_beside_code_that_it_does_not_run(tmp_path: Path) -> None:
    own_task(tmp_path / "own.py", tmp_path / "mark")
    path = write_experiment(
        tmp_path,
        task="own.py",
        models={"tiny": {"path": "nowhere"}},
        recipes={"default": {"lorra": {}}},
        compare={"controls": {"no-such-system": "negative"}},
    )
    found = typed("validate", path)
    assert found.exit_code == 2
    for problem in ("holds no config.json", "did you mean 'lora'?", "unknown system or recipe 'no-such-system'"):
        assert problem in found.stderr
    assert "own.py" not in typed("validate", write_experiment(tmp_path, task="none.py")).stdout
    assert not (tmp_path / "mark").exists()


def with_code(folder: Path, canary: Path) -> Path:
    """A folder whose configuration says that its model is in code beside the weights."""
    (folder / "own.py").write_text(f"open({str(canary)!r}, 'w')\n", encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModelForTokenClassification": "own.OwnModel"}
    content = {**config, "model_type": "own", "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_a_saved_folder_cannot_grant_itself_that_its_code_runs(results: Path, tmp_path: Path) -> None:
    canary, folder = tmp_path / "canary", tmp_path / "model"
    typed("export", "tiny:1", "--to", folder, "--out", results)
    with_code(folder, canary)
    task = json.loads((folder / "task.json").read_text())
    for revision in (None, COMMIT):
        model = {**task["config"]["model"], "trust_remote_code": True, "revision": revision}
        changed = {**task, "task": "token_classification", "config": {**task["config"], "model": model}}
        (folder / "task.json").write_text(json.dumps(changed))
        write_manifest(folder)
        found = typed("predict", folder, "The power bus")
        assert (found.exit_code, canary.exists()) == (2, False), found.output
        found = typed("predict", folder, "The power bus", "--trust-remote-code", f"owner/name@{COMMIT}")
        assert (found.exit_code, canary.exists()) == (2, False), found.output
    assert "must be OWNER/NAME@COMMIT" in typed("predict", folder, "x", "--trust-remote-code", "owner/name@main").stderr


def test_neither_a_model_by_path_nor_weights_to_start_from_run_code_of_their_folder(
    results: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    path = write_experiment(tmp_path, models={"tiny": {"path": "model", "trust_remote_code": True}})
    with_code(tmp_path / "model", canary)
    for verb in ("validate", "plan", "sweep"):
        found = typed(verb, path, "--run-code")
        assert (found.exit_code, canary.exists()) == (2, False), found.output
        assert "code in a folder is never run; name the hub repository" in found.stderr
    start = shutil.copytree(results, tmp_path / "out")
    run = next((start / "runs").iterdir())
    with_code(run / "best", canary)
    write_manifest(run / "best")
    (tmp_path / "again").mkdir()
    path = write_experiment(tmp_path / "again", models={"tiny": {"path": "model"}}, init_from=f"../out/{run.name}")
    found = typed("run", path, "--model", "tiny", "--seed", "1", "--out", tmp_path / "started")
    assert (found.exit_code, canary.exists()) == (3, False), found.output
    assert "has another architecture: own there, bert here" in found.output


HUB_CODE = """import os
from pathlib import Path
from transformers import BertConfig, BertForTokenClassification

class OwnConfig(BertConfig):
    model_type = "own"

class OwnModel(BertForTokenClassification):
    config_class = OwnConfig

Path(os.environ["CANARY"]).touch()
"""


def cached_repository(home: Path, name: str) -> None:
    """The local cache of a hub repository with code of its own, as a download leaves it."""
    place = home / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / COMMIT
    tiny_model(snapshot)
    config = json.loads((snapshot / "config.json").read_text())
    auto_map = {"AutoConfig": "own_code.OwnConfig", "AutoModelForTokenClassification": "own_code.OwnModel"}
    (snapshot / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": auto_map}))
    (snapshot / "own_code.py").write_text(HUB_CODE, encoding="utf-8")
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT)


TYPED = """import json, os, sys
from pathlib import Path
from click.testing import CliRunner
from orchestrator.cli import main
for arguments in json.loads(sys.argv[1]):
    Path(os.environ["CANARY"]).unlink(missing_ok=True)
    for name in [name for name in sys.modules if "own_code" in name]:
        del sys.modules[name]
    found = CliRunner().invoke(main, arguments)
    ran = Path(os.environ["CANARY"]).exists()
    print("ANSWER" + json.dumps([found.exit_code, ran, found.stdout, found.stderr]), file=sys.__stdout__)
"""


def test_code_of_the_hub_runs_at_the_commit_that_a_person_names_and_is_no_part_of_what_is_saved(
    tmp_path: Path,
) -> None:
    cached_repository(tmp_path / "home", "owner/name")
    model: dict[str, Any] = {"hub": "owner/name", "revision": COMMIT, "trust_remote_code": True}
    path = str(write_experiment(tmp_path, models={"own": model}, seeds="1", save="best"))
    predict = ["predict", "own:1", "The power bus", "--out", str(tmp_path / "out")]
    typed_there = [
        ["validate", path],
        ["run", path, "--model", "own", "--seed", "1", "--out", str(tmp_path / "out")],
        predict,
        [*predict, "--trust-remote-code", f"somebody/else@{COMMIT}"],
        [*predict, "--trust-remote-code", f"owner/name@{COMMIT}"],
    ]
    settings = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "CANARY": str(tmp_path / "canary")}
    command = [sys.executable, "-c", TYPED, json.dumps(typed_there)]
    ended = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    lines = [line.removeprefix("ANSWER") for line in ended.stdout.splitlines() if line.startswith("ANSWER")]
    looked, ran, refused, other, allowed = map(json.loads, lines)
    assert looked[:2] == [0, False], looked
    assert "models.own.trust_remote_code: the code of owner/name" in looked[3]
    assert ran[:2] == [0, True], ran
    saved = next((tmp_path / "out" / "runs").iterdir()) / "best"
    assert not list(saved.glob("*.py"))
    assert json.loads((saved / "config.json").read_text())["auto_map"]["AutoConfig"] == "owner/name--own_code.OwnConfig"
    assert refused[:2] == [2, False], refused
    assert "runs code of owner/name" in refused[3]
    assert other[:2] == [2, False], other
    assert allowed[:2] == [0, True], allowed
    assert len(allowed[2].splitlines()) == 4


def test_an_experiment_that_was_written_down_reads_like_any_other_where_it_names_no_code(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, models={"tiny": {"path": "model"}})
    (tmp_path / "out" / "runs").mkdir(parents=True)
    content = yaml_file.read(path).content
    content |= {"data": {"path": str(tmp_path / "items.jsonl")}, "models": {"tiny": {"path": str(tmp_path / "model")}}}
    (tmp_path / "out" / "experiment.yaml").write_text(dump(content), encoding="utf-8")
    assert typed("plan", tmp_path / "out").exit_code == 0
