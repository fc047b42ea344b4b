"""A saved folder is checked before it answers: damage is named, and a folder that lacks a part makes nothing up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.layout import LayoutOptions
from orchestrator.sweeping import SweepOptions, sweep
from tests.orchestrator.experiments import resolved, write_experiment

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
    flip(weights, 0.7)
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
    (exported / "notes.md").write_text("mine")
    assert typed("export", "tiny:1", "--to", exported, "--out", results).exit_code == 0
    assert not (exported / "model-00001-of-00002.safetensors").exists()
    assert (exported / "notes.md").read_text() == "mine"
    assert typed("predict", exported, "The power bus").exit_code == 0


def test_an_export_never_writes_through_a_link(results: Path, exported: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    for name in (*FILES, "README.md", "manifest.json"):
        (exported / name).unlink()
        (exported / name).symlink_to(precious)
    for name in ("config.json", "task.json"):  # as a link would say that this is an export of ours
        assert (exported / name).is_symlink()
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
