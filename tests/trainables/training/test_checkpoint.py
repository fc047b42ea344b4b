"""Checkpoints come back whole or not at all; two are kept; a full disk costs the checkpoint, never the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from analysis.tables.folder import Folder
from trainables.training.checkpoint import Checkpoints, Snapshot


def snapshot(step: int) -> Snapshot:
    return Snapshot({"weight": torch.full((3,), float(step))}, {"step": step})


def test_the_newest_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Folder.at(tmp_path), 600)
    for step in (9, 10):
        assert checkpoints.save(step, snapshot(step))
    found = checkpoints.newest()
    assert found is not None
    assert found.state == {"step": 10}
    assert torch.equal(found.tensors["weight"], torch.full((3,), 10.0))


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Folder.at(tmp_path), 600)
    for step in range(5):
        checkpoints.save(step, snapshot(step))
    assert Folder.at(tmp_path).names() == ["step-000000003", "step-000000004"]


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "manifest.json"])
def test_a_flipped_bit_anywhere_falls_back_to_the_one_before(tmp_path: Path, name: str) -> None:
    checkpoints = Checkpoints(Folder.at(tmp_path), 600)
    for step in (1, 2):
        checkpoints.save(step, snapshot(step))
    file = tmp_path / "step-000000002" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    found = checkpoints.newest()
    assert found is not None
    assert found.state == {"step": 1}


def test_a_checkpoint_without_its_manifest_does_not_count(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Folder.at(tmp_path), 600)
    checkpoints.save(1, snapshot(1))
    (tmp_path / "step-000000001" / "manifest.json").unlink()
    assert checkpoints.newest() is None


def test_without_a_folder_nothing_is_due_and_nothing_is_saved() -> None:
    checkpoints = Checkpoints(None, 0)
    assert not checkpoints.due()
    assert not checkpoints.save(1, snapshot(1))
    assert checkpoints.newest() is None


def test_a_checkpoint_that_cannot_be_written_leaves_the_previous_one(tmp_path: Path) -> None:
    class Full(Folder):
        """A folder whose disk is full."""

        def child(self, name: str) -> Folder:
            return Full(self.filesystem, f"{self.path}/{name}")

        def write(self, name: str, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    working = Folder.at(tmp_path)
    Checkpoints(working, 600).save(1, snapshot(1))
    full = Checkpoints(Full(working.filesystem, working.path), 600)
    assert not full.save(2, snapshot(2))
    found = full.newest()
    assert found is not None
    assert found.state == {"step": 1}


def test_clearing_removes_all_of_them(tmp_path: Path) -> None:
    checkpoints = Checkpoints(Folder.at(tmp_path), 600)
    checkpoints.save(1, snapshot(1))
    checkpoints.clear()
    assert checkpoints.newest() is None
    assert Folder.at(tmp_path).names() == []


def test_new_checkpoints_outlast_damaged_ones_of_later_steps(tmp_path: Path) -> None:
    for step in (10, 20):
        Checkpoints(Folder.at(tmp_path), 600).save(step, snapshot(step))
        (tmp_path / f"step-{step:09d}" / "manifest.json").write_bytes(b"{")
    begun_anew = Checkpoints(Folder.at(tmp_path), 600)
    assert begun_anew.newest() is None
    for step in (3, 6, 9):
        assert begun_anew.save(step, snapshot(step))
    assert Folder.at(tmp_path).names() == ["step-000000006", "step-000000009"]
    found = Checkpoints(Folder.at(tmp_path), 600).newest()
    assert found is not None
    assert found.state == {"step": 9}


def test_a_refused_checkpoint_stays_until_two_others_are_written(tmp_path: Path) -> None:
    Checkpoints(Folder.at(tmp_path), 600).save(10, snapshot(10))
    other = Checkpoints(Folder.at(tmp_path), 600)
    assert other.newest(lambda found: "it is another's") is None
    other.save(3, snapshot(3))
    assert Folder.at(tmp_path).names() == ["step-000000003", "step-000000010"]


def test_a_checkpoint_that_cannot_be_removed_costs_nothing(tmp_path: Path) -> None:
    class Sticky(Folder):
        """A folder of which nothing can be removed."""

        def child(self, name: str) -> Folder:
            return Sticky(self.filesystem, f"{self.path}/{name}")

        def delete(self, name: str) -> None:
            raise OSError(16, "Device or resource busy")

    checkpoints = Checkpoints(Sticky(Folder.at(tmp_path).filesystem, str(tmp_path)), 600)
    assert all(checkpoints.save(step, snapshot(step)) for step in range(4))
    checkpoints.clear()
