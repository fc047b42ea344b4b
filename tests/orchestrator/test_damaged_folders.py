"""A saved folder is checked before it answers: damage is named, and a folder that lacks a part makes nothing up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.sweep import SweepOptions, sweep
from tests.orchestrator.experiments import resolved, write_experiment
from trainables.modeling.saved_model import write_manifest

FILES = ("config.json", "model.safetensors", "task.json", "tokenizer.json", "tokenizer_config.json")


def typed(*arguments: str | Path) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one run that saved its weights."""
    folder = tmp_path_factory.mktemp("results")
    experiment = resolved(folder, models={"tiny": {"path": "model"}}, seeds="1", save="best")
    sweep(experiment, SweepOptions(out=str(folder / "out"), layout=LayoutOptions(in_process=True)))
    return folder / "out"


@pytest.fixture
def exported(results: Path, tmp_path: Path) -> Path:
    """The exported folder of that run."""
    assert typed("export", "tiny:1", "--to", tmp_path / "model", "--out", results).exit_code == 0
    return tmp_path / "model"


def flip(path: Path, place: float) -> None:
    """Change one bit of a file, so far from its beginning."""
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def junk(path: Path) -> None:
    path.write_bytes(b'{"hidden_size": [], "labels": 3, "model": null, "task": {}}')


def a_list(path: Path) -> None:
    path.write_bytes(b"[1, 2, 3]")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: tuple[Callable[[Path], None], ...] = (truncate, empty, junk, a_list, a_folder, Path.unlink)


def test_an_export_carries_its_hashes_and_every_flipped_bit_is_named(exported: Path) -> None:
    assert typed("predict", exported, "The power bus").exit_code == 0
    for name in FILES:
        data = (exported / name).read_bytes()
        for place in (0.0, 0.3, 0.6, 1.0):
            flip(exported / name, place)
            found = typed("predict", exported, "The power bus")
            assert found.exit_code == 6, (name, place, found.output)
            assert str(exported / name) in found.stderr
            (exported / name).write_bytes(data)
    assert typed("predict", exported, "The power bus").exit_code == 0


def test_a_run_whose_weights_were_flipped_is_neither_exported_nor_asked(results: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(results, tmp_path / "out")
    weights = next((copy / "runs").iterdir()) / "best" / "model.safetensors"
    assert typed("verify", copy).exit_code == 0
    flip(weights, 0.7)
    found = typed("verify", copy)
    assert found.exit_code == 6
    assert "best/model.safetensors: is not the file that was written; restore the folder, or `orch" in found.stdout
    for arguments in (["predict", "tiny:1", "x"], ["export", "tiny:1", "--to", str(tmp_path / "model")]):
        found = typed(*arguments, "--out", copy)
        assert found.exit_code == 6, found.output
        assert f"{weights}: is not the file that was saved" in found.stderr


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_whatever_is_wrong_with_a_file_is_said_and_is_no_bug(exported: Path, name: str) -> None:
    copy = exported.with_name("copy")
    for damage in DAMAGE:
        shutil.copytree(exported, copy)
        damage(copy / name)
        found = typed("predict", copy, "The power bus")
        assert found.exit_code in (2, 6), (damage.__name__, found.output)
        assert name in found.stderr, (damage.__name__, found.output)
        assert "this is a bug" not in found.output
        shutil.rmtree(copy)


def without_hashes(folder: Path) -> Path:
    """As an older version exported it."""
    (folder / "manifest.json").unlink()
    task = json.loads((folder / "task.json").read_text())
    task.pop("manifest")
    (folder / "task.json").write_text(json.dumps(task))
    return folder


def test_an_older_export_without_hashes_is_read_with_a_warning(exported: Path) -> None:
    before = typed("predict", exported, "The power bus").stdout
    found = typed("predict", without_hashes(exported), "The power bus")
    assert (found.exit_code, found.stdout) == (0, before), found.output
    assert "was exported without hashes" in found.stderr


@pytest.mark.parametrize("name", FILES)
def test_an_older_export_that_is_damaged_is_no_bug_either(exported: Path, name: str) -> None:
    without_hashes(exported)
    copy = exported.with_name("copy")
    for damage in DAMAGE:
        shutil.copytree(exported, copy)
        damage(copy / name)
        found = typed("predict", copy, "The power bus")
        assert found.exit_code in (2, 6), (damage.__name__, found.output)
        assert str(copy) in found.stderr, (damage.__name__, found.output)
        assert "this is a bug" not in found.output
        shutil.rmtree(copy)


def test_a_file_that_was_added_could_change_the_answers_and_is_refused(exported: Path) -> None:
    for name in ("adapter_config.json", "model.safetensors.index.json", "own.py", "vocab.txt"):
        (exported / name).write_text("{}")
        found = typed("predict", exported, "The power bus")
        assert found.exit_code == 6
        assert f"{exported / name}: was added after the folder was saved; remove it" in found.stderr
        (exported / name).unlink()
    (exported / "README.md").write_text("# My own card")
    (exported / ".git").mkdir()
    (exported / ".git" / "description.json").write_text("{}")
    assert typed("predict", exported, "The power bus").exit_code == 0


def test_a_second_export_leaves_nothing_of_the_first(results: Path, exported: Path) -> None:
    (exported / "model-00001-of-00002.safetensors").write_bytes(b"of an older export")
    write_manifest(exported)
    (exported / "notes.md").write_text("mine")
    assert typed("export", "tiny:1", "--to", exported, "--out", results).exit_code == 0
    assert not (exported / "model-00001-of-00002.safetensors").exists()
    assert (exported / "notes.md").read_text() == "mine"
    assert typed("predict", exported, "The power bus").exit_code == 0


def test_an_export_takes_no_folder_of_somebody_else_s_and_no_file_that_it_did_not_write(
    results: Path, exported: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    for name, text in (("task.json", '{"todo": 1}'), ("src/train.py", "mine"), ("requirements.txt", "mine")):
        (project / name).write_text(text)
    found = typed("export", "tiny:1", "--to", project, "--out", results)
    assert (found.exit_code, (project / "src" / "train.py").read_text()) == (2, "mine")
    assert "holds other files" in found.stderr
    (exported / "handler.py").write_text("mine")
    found = typed("export", "tiny:1", "--to", exported, "--out", results)
    assert found.exit_code == 2
    assert f"{exported / 'handler.py'} was not written by an export" in found.stderr
    assert (exported / "handler.py").read_text() == "mine"


def test_an_export_that_cannot_be_written_says_so(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "else")
    for name in ("file", "dangling"):
        found = typed("export", "tiny:1", "--to", tmp_path / name, "--out", results)
        assert found.exit_code == 2, found.output
        assert "choose another --to" in found.stderr


def test_the_weights_of_another_run_do_not_answer_for_this_one(results: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(results, tmp_path / "out")
    folder = next((copy / "runs").iterdir()) / "best"
    task = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps({**task, "run_id": "0" * 16}))
    write_manifest(folder)
    for arguments in (["predict", "tiny:1", "x"], ["export", "tiny:1", "--to", str(tmp_path / "model")]):
        found = typed(*arguments, "--out", copy)
        assert found.exit_code == 6, found.output
        assert f"holds the weights of run {'0' * 16}" in found.stderr


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("manifest.json", "[" * 100_000, "is not JSON"),
        ("manifest.json", json.dumps({"../outside": "00"}), "is not the name of a file in this folder"),
        ("manifest.json", json.dumps({"/etc/passwd": "00"}), "is not the name of a file in this folder"),
        ("manifest.json", json.dumps({"x" * 5000: "00"}), "is not the name of a file in this folder"),
        ("task.json", "{" * 100_000, "is not JSON"),
    ],
)
def test_odd_manifests_are_damage_and_no_bug(exported: Path, name: str, content: str, reason: str) -> None:
    (exported / name).write_text(content)
    found = typed("predict", exported, "x")
    assert found.exit_code == 6, found.output
    assert reason in found.stderr


def test_weights_in_parts_lie_in_the_folder(exported: Path) -> None:
    index = {"weight_map": {"a": "../outside.safetensors"}}
    (exported / "model.safetensors.index.json").write_text(json.dumps(index))
    write_manifest(exported)
    found = typed("predict", exported, "x")
    assert found.exit_code == 6
    assert "names weights outside the folder" in found.stderr


def test_where_predictions_cannot_go_is_said_before_anything_is_computed(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for to, reason in (("nowhere/a.csv", "there is no folder"), ("folder.csv", "is a folder")):
        found = typed("predict", exported, "x", "--to", tmp_path / to)
        assert found.exit_code == 2, found.output
        assert reason in found.stderr
    (tmp_path / "link.csv").symlink_to(tmp_path / "precious.csv")
    (tmp_path / "precious.csv").write_text("mine")
    written = typed("predict", exported, "x", "--to", tmp_path / "link.csv", "--json")
    assert json.loads(written.stdout)["count"] == 1
    assert (tmp_path / "precious.csv").read_text() == "mine"


def test_an_export_never_writes_through_a_link(results: Path, exported: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    for name in ("config.json", "model.safetensors", "tokenizer.json", "README.md"):
        (exported / name).unlink()
        (exported / name).symlink_to(precious)
    assert typed("export", "tiny:1", "--to", exported, "--out", results).exit_code == 0
    assert precious.read_text() == "mine"
    assert not any(path.is_symlink() for path in exported.iterdir())
    assert typed("predict", exported, "The power bus").exit_code == 0


def test_a_model_without_its_tokenizer_is_refused_before_it_trains_on_one_that_was_made_up(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, models={"tiny": {"path": "model"}})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "model" / name).unlink()
    found = typed("run", path, "--model", "tiny", "--seed", "1", "--out", tmp_path / "out")
    assert found.exit_code == 3, found.output
    assert f"{tmp_path / 'model'} holds no tokenizer" in found.output
