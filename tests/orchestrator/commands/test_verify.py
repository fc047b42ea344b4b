"""`orchestrate verify` names every kind of damage, changes nothing, and with `--repair` gives back the same tables."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from analysis.tables.schema import Kind
from analysis.tables.trials import trials_table
from orchestrator.cli import main
from orchestrator.commands.verify import verify
from orchestrator.storage import Attempt, Proposal, Store
from tests.orchestrator.storage.stores import EXPERIMENT, cells, fill, make_run, read_table
from trainables.modeling.saved_model import manifest_of

KINDS: tuple[Kind, ...] = ("runs", "epochs", "predictions")
RUN, FAILED = (make_run(seed).run_id for seed in (3, 9))
NOT_NOTICED = None  # nothing says that the file was there


def typed(*arguments: str | Path) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def found(*arguments: str | Path, code: int) -> dict[str, Any]:
    """The document of `verify`, which ends with this code."""
    result = typed("verify", *arguments, "--json")
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    assert list(document) == ["schema_version", "location", "damage", "repaired"]
    return document


def tables(out: Path) -> dict[Kind, pd.DataFrame]:
    return {kind: read_table(Store.open(out), kind) for kind in KINDS}


def hashed(folder: Path, *names: str) -> None:
    """A folder of files with a manifest, as checkpoints and saved weights have one."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(f'{{"content of": "{name}"}}')
    (folder / "manifest.json").write_bytes(manifest_of({name: folder / name for name in names}))


def searched(store: Store) -> None:
    """Two trials of one system, written down as a search does it."""
    trial_log = store.trial_log("a" * 16)
    trial_log.describe({"search": "s" * 16, "system": "small", "metric": "weighted_f1", "epochs": 2, "rungs": []})
    rows = []
    for number in (1, 2):
        values = {"train.learning_rate": number / 1000, "train.batch_size": 8}
        run_id = make_run(100 + number).run_id
        trial_log.propose(Proposal(number, run_id, "random", values))
        about = {"search": "s" * 16, "system": "small", "model": "small", "recipe": "default", "seed": 0}
        rows.append({**about, "trial": number, "run_id": run_id, "proposed_by": "random", "parameters": values})
    store.write_trials(trials_table([{**row, "status": "pending"} for row in rows]))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of four runs, one of them with weights, of a failed one with a checkpoint, and of a search."""
    out = tmp_path_factory.mktemp('a folder\'s "name"') / "results"
    store = Store.open(out)
    store.check_fingerprint("demo-data", "f" * 64)
    store.write_experiment(EXPERIMENT, [{"experiment": "demo", **cell} for cell in cells([*fill(store, 4)])])
    store.write_notes(["the data has 3 duplicates"])
    store.record_attempt(make_run(9), Attempt(1, "failed", "crashed", "boom"))
    hashed(out / "runs" / FAILED / "checkpoints/step-000000010", "tensors.safetensors", "state.json")
    hashed(out / "runs" / RUN / "best", "model.safetensors", "config.json", "task.json")
    hashed(out / "runs" / RUN / "epochs/epoch-0001", "model.safetensors", "config.json", "task.json")
    searched(store)
    store.compact()
    return out


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished results."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.old"))


def foreign(path: Path) -> None:
    """Another whole file of ours, or of somebody else, in its place."""
    out = next(parent for parent in path.parents if (parent / "runs").is_dir())
    others = {".parquet": ("trials.parquet", "runs.parquet"), ".json": ("cells.json", "datasets.json")}
    names = [name for name in others.get(path.suffix, ("notes.json",)) if out / name != path]
    path.write_bytes((out / names[0]).read_bytes())


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: tuple[Callable[[Path], None], ...] = (flip, truncate, foreign, folder)
REMOVALS: tuple[Callable[[Path], None], ...] = (delete, rename)
FILES: dict[str, tuple[bool, bool | None]] = {  # file -> repairable where it is changed, where it is removed
    **{f"{kind}.parquet": (True, True) for kind in KINDS},
    "manifest.json": (True, True),
    "experiment.yaml": (False, False),
    "cells.json": (False, False),
    "datasets.json": (True, True),
    "notes.json": (False, NOT_NOTICED),
    "trials.parquet": (False, NOT_NOTICED),
    **{f"runs/{RUN}/{name}": (True, True) for name in ("run.parquet", "record-*", "epochs-*", "predictions-*")},
    f"runs/{FAILED}/attempts/1.json": (True, False),
    f"runs/{FAILED}/checkpoints/step-000000010/tensors.safetensors": (True, True),
    f"runs/{FAILED}/checkpoints/step-000000010/state.json": (True, True),
    f"runs/{FAILED}/checkpoints/step-000000010/manifest.json": (True, NOT_NOTICED),
    f"runs/{RUN}/best/model.safetensors": (False, False),
    f"runs/{RUN}/best/manifest.json": (False, False),
    f"runs/{RUN}/epochs/epoch-0001/config.json": (False, False),
    f"search/{'a' * 16}/study.json": (False, False),
    f"search/{'a' * 16}/0001.json": (True, True),
    f"search/{'a' * 16}/0002.json": (True, True),
}
ROWS = [
    (name, damage, kind, repairable)
    for name, possible in FILES.items()
    for damages, kind, repairable in ((CHANGES, "damaged", possible[0]), (REMOVALS, "missing", possible[1]))
    for damage in damages
    if repairable is not NOT_NOTICED and not (name.endswith("/manifest.json") and damage in (flip, folder))
]


@pytest.mark.parametrize(("name", "damage", "kind", "repairable"), ROWS)
def test_each_damage_is_named_and_a_repair_gives_back_equal_tables(
    out: Path, name: str, damage: Callable[[Path], None], kind: str, repairable: bool
) -> None:
    before = tables(out)
    (path,) = out.glob(name)
    damage(path)

    (said,) = found(out, code=6)["damage"]
    assert (said["path"], said["kind"], said["repairable"]) == (path.relative_to(out).as_posix(), kind, repairable)
    if not repairable:
        assert said["action"].startswith(("the next", "restore the folder, or `orchestrate forget"))
    after = found(out, "--repair", code=0 if repairable else 6)

    assert [one["path"] for one in after["repaired" if repairable else "damage"]] == [said["path"]]
    if repairable:
        assert after["damage"] == found(out, code=0)["damage"] == []
    if "attempts" not in name:  # a failed run whose reason is gone has no row until it runs again
        for kind_of_table, frame in before.items():
            pd.testing.assert_frame_equal(tables(out)[kind_of_table], frame, check_exact=True)


def test_whole_results_are_said_to_be_whole_and_nothing_is_written(out: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")}
    assert found(out, code=0)["damage"] == []
    assert typed("verify", out).stdout == f"{out}\nnothing is damaged\n"
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")} == before
    truncate(out / "runs.parquet")
    flip(out / "runs" / RUN / "run.parquet")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")}
    assert len(found(out, code=6)["damage"]) == 2
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")} == before


def test_words_say_where_what_and_what_to_do_and_the_command_can_be_pasted(out: Path) -> None:
    flip(out / "epochs.parquet")
    (out / "runs" / RUN / "best/own.py").write_text("print()")
    result = typed("verify", out)
    assert result.exit_code == 6
    command = f"orchestrate verify {out} --repair"
    assert result.stdout.splitlines() == [
        str(out),
        f"  epochs.parquet: is not the file that was written; {command}",
        f"  runs/{RUN}/best/own.py: was added by somebody else, and would be read; {command}",
    ]
    assert typed("verify", out, "--repair").stdout.splitlines() == [
        str(out),
        "repaired:",
        "  epochs.parquet: is not the file that was written; rebuilt from the records",
        f"  runs/{RUN}/best/own.py: was added by somebody else, and would be read; moved to quarantine/",
    ]
    assert (out / "quarantine" / f"{RUN}-1" / "best/own.py").read_text() == "print()"


@pytest.mark.parametrize("damage", [flip, delete])
def test_a_record_that_no_table_holds_is_set_aside_and_left_to_the_next_sweep(
    out: Path, damage: Callable[[Path], None]
) -> None:
    damage(out / "runs" / RUN / "run.parquet")
    truncate(out / "predictions.parquet")
    after = found(out, "--repair", code=6)
    assert [one["path"] for one in after["repaired"]] == ["predictions.parquet"]
    (left,) = after["damage"]
    assert (left["path"], left["action"]) == (f"runs/{RUN}/run.parquet", "the next sweep runs it again")
    assert RUN not in Store.open(out).recorded()
    assert found(out, code=0)["damage"] == []


def test_what_only_a_table_without_a_manifest_tells_is_not_forgotten(out: Path) -> None:
    shutil.rmtree(out / "runs" / RUN)
    delete(out / "manifest.json")
    named = {one["path"]: one["repairable"] for one in found(out, code=6)["damage"]}
    assert named == {"manifest.json": True, f"runs/{RUN}": False}


@pytest.mark.parametrize("lose", [shutil.rmtree, lambda run: run.rename(run.with_name("kept"))])
def test_a_run_folder_that_was_deleted_or_renamed_comes_back(out: Path, lose: Callable[[Path], object]) -> None:
    before = tables(out)
    lose(out / "runs" / RUN)
    (said,) = found(out, code=6)["damage"]
    assert (said["path"], said["kind"], said["repairable"]) == (f"runs/{RUN}", "missing", True)
    found(out, "--repair", code=0)
    pd.testing.assert_frame_equal(tables(out)["predictions"], before["predictions"], check_exact=True)


def test_a_file_where_the_folder_of_a_run_was_is_set_aside(out: Path) -> None:
    shutil.rmtree(out / "runs" / RUN)
    (out / "runs" / RUN).write_text("mine")
    (said,) = found(out, code=6)["damage"]
    assert (said["path"], said["kind"], said["repairable"]) == (f"runs/{RUN}", "foreign", True)
    found(out, "--repair", code=0)
    assert (out / "quarantine" / f"{RUN}-1").read_text() == "mine"


def test_the_folder_of_a_run_under_the_name_of_another_is_foreign(out: Path) -> None:
    other = make_run(1).run_id
    shutil.rmtree(out / "runs" / other)
    shutil.copytree(out / "runs" / RUN, out / "runs" / other)
    (said,) = found(out, code=6)["damage"]
    assert (said["path"], said["kind"], said["repairable"]) == (f"runs/{other}", "foreign", True)
    assert f"holds the record of run {RUN}" in said["reason"]
    found(out, "--repair", code=0)


def test_a_proposal_is_given_back_as_it_was(out: Path) -> None:
    place = out / "search" / ("a" * 16) / "0001.json"
    before = place.read_bytes()
    flip(place)
    found(out, "--repair", code=0)
    assert place.read_bytes() == before


def test_results_of_an_earlier_version_are_whole(out: Path) -> None:
    from analysis.tables.checksummed_json import dump_checksummed, load_checksummed

    content = load_checksummed((out / "cells.json").read_bytes(), "")
    (out / "cells.json").write_bytes(dump_checksummed({"cells": content["cells"]}))
    (out / "notes.json").write_text('{"notes": ["as earlier versions wrote it"]}')
    assert found(out, code=0)["damage"] == []
    assert Store.open(out).notes() == ("as earlier versions wrote it",)


def test_a_flipped_hash_is_told_of_the_file_that_it_belongs_to(out: Path) -> None:
    flip(out / "runs" / RUN / "best/manifest.json")
    assert [Path(one["path"]).parent.name for one in found(out, code=6)["damage"]] == ["best"]


def test_what_a_killed_process_leaves_is_no_damage(out: Path) -> None:
    checkpoint = out / "runs" / FAILED / "checkpoints"
    shutil.copytree(checkpoint / "step-000000010", checkpoint / "step-000000020")
    delete(checkpoint / "step-000000020/manifest.json")
    (out / "runs" / RUN / f"epochs-{'0' * 16}.parquet").write_bytes(b"of a writer that lost")
    (out / ".partial-scratch-1").write_bytes(b"")
    assert found(out, code=0)["damage"] == []


def test_a_repair_is_refused_while_a_sweep_works_there_and_a_check_is_not(out: Path) -> None:
    truncate(out / "runs.parquet")
    with Store.open(out).lock():
        refused = typed("verify", out, "--repair", "--json")
        assert (refused.exit_code, json.loads(refused.stdout)["error"]["kind"]) == (5, "locked")
        checked = typed("verify", out)
    assert checked.exit_code == 6
    assert "a sweep is running here" in checked.stderr
    assert "a sweep is running here" not in typed("verify", out).stderr


@pytest.mark.parametrize("part", ["runs", f"runs/{RUN}", f"runs/{RUN}/best", "manifest.json", "search", "notes.json"])
@pytest.mark.parametrize("option", [(), ("--repair",)])
def test_a_link_that_leads_out_ends_with_2_and_says_which_to_remove(
    out: Path, tmp_path: Path, part: str, option: tuple[str, ...]
) -> None:
    (out / part).rename(tmp_path / "elsewhere")
    (out / part).symlink_to(tmp_path / "elsewhere")
    result = typed("verify", out, *option)
    assert result.exit_code == 2, result.output
    assert f"leads out of {out} through a link" in result.stderr
    assert "remove the link" in result.stderr


def test_results_in_an_object_store_are_checked_and_repaired_alike() -> None:
    store = Store.open(f"memory://{secrets.token_hex(8)}/results")
    runs = fill(store, 3)
    store.compact()
    before = {kind: read_table(store, kind) for kind in KINDS}
    assert verify(store).damage == ()
    store.folder(runs[0].run_id).delete("run.parquet")
    store.root.write(f"runs/{runs[1].run_id}/run.parquet", b"damaged")

    assert [(one.path, one.kind) for one in verify(store).damage] == sorted(
        [(f"runs/{runs[0].run_id}/run.parquet", "missing"), (f"runs/{runs[1].run_id}/run.parquet", "damaged")]
    )
    result = verify(store, repair=True)
    assert (len(result.repaired), result.damage) == (2, ())
    assert verify(store).damage == ()
    for kind in KINDS:
        pd.testing.assert_frame_equal(read_table(store, kind), before[kind])


def test_where_there_are_no_results_the_command_says_so(tmp_path: Path) -> None:
    for where in (tmp_path / "nowhere", f"memory://{secrets.token_hex(8)}/nothing"):
        result = typed("verify", where)
        assert result.exit_code == 2
        assert "no results in" in result.stderr
