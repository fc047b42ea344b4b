"""Links that somebody put into a results directory: commands refuse them in words, and write nothing through them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.commands.profile import write
from orchestrator.errors import UserError
from orchestrator.storage import Store
from orchestrator.worker.failure import Failure, classify
from tests.orchestrator.commands.test_profile import ROWS
from tests.orchestrator.experiments import write_experiment
from tests.orchestrator.storage.stores import fill, make_run


def invoke(*arguments: object) -> Result:
    """One command, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Results of three runs."""
    store = Store.open(tmp_path / "results")
    runs = fill(store, 3)
    store.write_experiment({"experiment": "demo"}, [{"run_id": run.run_id, "system": run.system} for run in runs])
    store.compact()
    return tmp_path / "results"


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder that nothing may write to."""
    (tmp_path / "outside").mkdir()
    yield tmp_path / "outside"
    assert list((tmp_path / "outside").iterdir()) == []


def put_link(place: Path, target: Path) -> None:
    """A link in place of whatever is there."""
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(target)


def table(folder: Path) -> Path:
    """A table of eight seeds of two systems."""
    scores = [(system, seed, seed / 100 + (system == "a") / 10) for system in "ab" for seed in range(8)]
    pd.DataFrame(scores, columns=["system", "seed", "score"]).to_csv(folder / "mine.csv", index=False)
    return folder / "mine.csv"


@pytest.mark.parametrize("command", ["status", "verify", "forget"])
@pytest.mark.parametrize("part", ["runs", f"runs/{make_run(0).run_id}"])
def test_a_link_that_leads_out_of_the_results_ends_with_2_and_says_which_to_remove(
    out: Path, outside: Path, command: str, part: str
) -> None:
    put_link(out / part, outside / "x")
    arguments = ["forget", make_run(0).run_id, "--yes", "--out", out] if command == "forget" else [command, out]
    found = invoke(*arguments)
    assert found.exit_code == 2, found.stderr
    assert f"{out / part} leads out of {out} through a link" in found.stderr
    assert "remove the link" in found.stderr
    assert "bug" not in found.stderr


@pytest.mark.parametrize("name", ["quarantine", "forgotten", "runs.parquet", "manifest.json", "compaction.lock"])
def test_a_run_is_not_forgotten_through_a_link(out: Path, outside: Path, name: str) -> None:
    put_link(out / name, outside / "x")
    (out / "epochs.parquet").write_text("damaged, and would be moved to quarantine")
    found = invoke("forget", make_run(0).run_id, "--yes", "--out", out)
    assert found.exit_code == 2, found.stderr
    assert f"{out / name} leads out of" in found.stderr


@pytest.mark.parametrize("name", ["sweep.lock", "compaction.lock"])
def test_a_lock_that_is_a_link_within_the_results_is_refused_and_its_target_stays(out: Path, name: str) -> None:
    before = (out / "experiment.yaml").read_bytes()
    put_link(out / name, out / "experiment.yaml")
    found = invoke("forget", make_run(0).run_id, "--yes", "--out", out)
    assert found.exit_code == 2, found.stderr
    assert f"{out / name} is a link, and nothing is written through it; remove it" in found.stderr
    assert (out / "experiment.yaml").read_bytes() == before


def test_the_default_folder_of_an_analysis_is_no_link_that_leads_out(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/mine-analysis").symlink_to(outside)
    found = invoke("analyze", table(tmp_path / "here"))
    assert found.exit_code == 2, found.stderr
    assert f"{tmp_path}/here/mine-analysis leads out of {tmp_path}/here through a link" in found.stderr


def test_a_page_that_is_a_link_is_replaced_and_an_out_that_is_one_is_the_users_wish(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "disk/report.html").symlink_to(tmp_path / "precious")
    (tmp_path / "named").symlink_to(tmp_path / "disk")

    assert invoke("analyze", table(tmp_path), "--out", tmp_path / "named").exit_code == 0

    assert (tmp_path / "precious").read_text() == "mine"
    assert "<html" in (tmp_path / "disk/report.html").read_text()


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda place: place.symlink_to(place), 2, "is a link"),
        (lambda place: place.write_text(""), 4, "cannot be written (Not a directory); choose another --out"),
        (lambda place: (place / "report.html").mkdir(parents=True), 4, "cannot be written (Is a directory)"),
    ],
)
def test_an_analysis_that_cannot_be_written_says_so_in_words(
    tmp_path: Path, make: object, code: int, message: str
) -> None:
    assert callable(make)
    make(tmp_path / "out")
    found = invoke("analyze", table(tmp_path), "--out", tmp_path / "out")
    assert found.exit_code == code, found.stderr
    assert message in found.stderr


def test_an_out_that_no_file_system_serves_ends_with_2(tmp_path: Path) -> None:
    found = invoke("analyze", table(tmp_path), "--out", "nothing-serves://this")
    assert found.exit_code == 2, found.stderr
    assert "--out 'nothing-serves://this' cannot be opened" in found.stderr


def test_a_sweep_whose_analysis_folder_links_out_ends_with_its_results_and_a_warning(
    tmp_path: Path, outside: Path
) -> None:
    arguments = ("sweep", write_experiment(tmp_path), "--in-process", "--models", "tiny", "--out", tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/analysis").symlink_to(outside)
    found = invoke(*arguments)
    assert found.exit_code == 0, found.stderr
    assert f"no analysis: {tmp_path / 'out/analysis'} leads out of" in found.stderr
    assert "2 runs executed" in found.stdout


@pytest.mark.parametrize("inside", [True, False])
def test_a_log_that_is_a_link_is_left_alone_and_ends_no_run(tmp_path: Path, outside: Path, inside: bool) -> None:
    arguments = ("sweep", write_experiment(tmp_path, save="none"), "--in-process", "--no-analyze", "--models", "tiny")
    place = tmp_path / "out"
    assert invoke(*arguments, "--seeds", "1", "--out", place).exit_code == 0
    (run,) = (place / "runs").iterdir()
    target, before = place / "notes.json", (place / "notes.json").read_bytes()
    shutil.rmtree(run)
    run.mkdir()
    (run / "log.txt").symlink_to(target if inside else outside / "log")

    found = invoke(*arguments, "--seeds", "1", "--out", place)

    assert found.exit_code == 0, found.stderr
    assert (run / "run.parquet").is_file()
    assert target.read_bytes() == before


def test_a_run_that_meets_a_link_that_leads_out_is_not_tried_again(out: Path, outside: Path) -> None:
    run = make_run(0).run_id
    put_link(out / "runs" / run, outside)
    with pytest.raises(ValueError, match="through a link") as caught:
        Store.open(out).checkpoints(run)
    assert classify(caught.value) is Failure.STORAGE


def test_a_profile_is_refused_before_anything_is_measured_and_replaces_a_link(tmp_path: Path, outside: Path) -> None:
    experiment = write_experiment(tmp_path, models={"tiny": {"path": "model"}})
    (tmp_path / "out").mkdir()
    (tmp_path / "out/profile").symlink_to(outside)
    found = invoke("profile", experiment, "--out", tmp_path / "out")
    assert found.exit_code == 2, found.stderr
    assert f"{tmp_path / 'out/profile/profile_speed.csv'} leads out of" in found.stderr
    assert "round 1" not in found.stderr

    (tmp_path / "out/profile").unlink()
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out/profile.parquet").symlink_to(tmp_path / "precious")
    write(ROWS, str(tmp_path / "out"))
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_link_that_leads_out_is_a_problem_of_the_user_also_in_python(tmp_path: Path, outside: Path) -> None:
    from orchestrator.api import analyze

    (tmp_path / "out").mkdir()
    (tmp_path / "out/figures").symlink_to(outside)
    with pytest.raises(UserError, match="out/figures leads out of"):
        analyze(table(tmp_path), out=tmp_path / "out")
