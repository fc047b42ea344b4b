"""Links where an analysis writes: never written through unless the user named them, and never half a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report.write import put
from analysis.tables.folder import Folder

FILES = {"report.html": b"new", "figures/score_boxplot.csv": b"a,b\n"}


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("target", ["precious", "nowhere", "folder"])
def test_a_link_in_place_of_a_file_is_replaced_and_what_it_points_to_stays(tmp_path: Path, target: str) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "out/figures").mkdir(parents=True)
    for name in FILES:
        (tmp_path / "out" / name).symlink_to(tmp_path / target)

    put(FILES, tmp_path / "out")

    assert (tmp_path / "precious").read_text() == "mine"
    assert names(tmp_path / "folder") == []
    assert not (tmp_path / "nowhere").exists()
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES
    assert not any((tmp_path / "out" / name).is_symlink() for name in FILES)


@pytest.mark.parametrize("files", [FILES, {"report.html": b"new"}])
def test_a_folder_that_links_out_is_refused_before_anything_is_written_or_removed(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/score_boxplot.pdf").write_text("mine, and only named like a figure")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/figures").symlink_to(tmp_path / "outside")

    with pytest.raises(ValueError, match=r"out/figures leads out of .*out through a link, .*: remove the link"):
        put(files, tmp_path / "out")

    assert names(tmp_path / "outside") == ["score_boxplot.pdf"]
    assert names(tmp_path / "out") == ["figures"]


def test_a_folder_that_links_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/figures").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="leads out of"):
        put(FILES, tmp_path / "out")
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_the_user_names_may_be_a_link_and_so_may_one_that_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "disk/pictures").mkdir(parents=True)
    (tmp_path / "disk/figures").symlink_to("pictures")
    (tmp_path / "out").symlink_to(tmp_path / "disk")

    assert put(FILES, tmp_path / "out") == sorted(FILES)

    assert names(tmp_path / "disk/pictures") == ["score_boxplot.csv"]
    assert (tmp_path / "out").is_symlink()


def test_a_folder_whose_name_is_ours_may_be_reached_through_a_link_but_is_none_that_leads_out(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    put(FILES, Folder.at(tmp_path / "results", private=False).child("analysis"))
    assert names(tmp_path / "disk/analysis") == ["figures", "report.html"]

    (tmp_path / "disk/other").symlink_to(tmp_path)
    with pytest.raises(ValueError, match=r"results/other leads out of .*results through a link"):
        put(FILES, Folder.at(tmp_path / "results").child("other"))


def test_of_an_earlier_analysis_only_our_own_files_are_taken_away_and_of_a_link_only_the_link(tmp_path: Path) -> None:
    (tmp_path / "out/tasks.d").mkdir(parents=True)
    (tmp_path / "out/figures").mkdir()
    (tmp_path / "out/tasks.d/mine.csv").write_text("not ours")
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out/figures/score_boxplot.pdf").symlink_to(tmp_path / "precious")

    put({"report.html": b"new"}, tmp_path / "out")

    assert (tmp_path / "out/tasks.d/mine.csv").exists()
    assert names(tmp_path / "out/figures") == []
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put({"report.html": b"old"}, tmp_path)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        put({"report.html": b"new"}, tmp_path)

    assert (tmp_path / "report.html").read_bytes() == b"old"
    assert names(tmp_path) == ["report.html"]


def test_files_are_for_everybody_whom_the_user_lets_read_new_files(tmp_path: Path) -> None:
    put({"report.html": b"page"}, tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/page").write_bytes(b"")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert (tmp_path / "out/report.html").stat().st_mode == (tmp_path / "other/page").stat().st_mode
