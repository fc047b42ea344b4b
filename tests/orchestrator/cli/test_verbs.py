"""The commands on a real, small results directory: what goes to which stream, and how each ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.storage import Store
from tests.analysis.report.page import Page
from tests.orchestrator.experiments import write_experiment
from tests.orchestrator.storage.stores import cells, fill, read_table
from tests.pasted import pasted


def invoke(*arguments: str) -> Result:
    """One command, its streams apart."""
    return CliRunner().invoke(main, list(arguments))


def document(result: Result) -> dict[str, Any]:
    """The one JSON document that a command printed."""
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["schema_version"] == 1
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hostile name, an experiment and its swept results under `out`."""
    folder = tmp_path_factory.mktemp('a folder\'s "name"')
    result = invoke(
        "sweep", str(write_experiment(folder)), "--in-process", "--out", str(folder / "out"), "--no-analyze"
    )
    assert (result.exit_code, result.exception) == (0, None), result.stderr
    return folder


def test_a_sweep_ends_with_counts_the_path_and_the_next_command(folder: Path) -> None:
    result = invoke("sweep", str(folder / "tiny.yaml"), "--in-process", "--out", str(folder / "out"), "--no-analyze")
    assert result.exit_code == 0
    assert "0 runs executed, " in result.stdout
    assert " of 4 runs" in result.stdout
    assert f"results: {folder / 'out'}" in result.stdout
    assert "next:    orchestrate results" in result.stdout


def test_a_sweep_again_is_free_and_a_grown_grid_runs_only_the_new_cells(folder: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    path = str(write_experiment(tmp_path))
    common = ("sweep", path, "--in-process", "--out", out, "--no-analyze", "--json")
    first = document(invoke(*common, "--seeds", "1"))
    again = document(invoke(*common, "--seeds", "1"))
    grown = document(invoke(*common, "--seeds", "1-2", "--models", "tiny"))
    assert (first["ran"], again["ran"], grown["ran"]) == (2, 0, 1)
    assert grown["status"]["others"] == 1
    assert any("seeds" in line for line in grown["changed"])


def test_a_sweep_ends_with_the_analysis_whose_lines_repeat_it_when_they_are_pasted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = invoke("sweep", str(folder / "tiny.yaml"), "--in-process", "--out", str(folder / "out"), "--json")
    found = document(result)
    assert result.exit_code == found["exit_code"] == 0
    assert {row["system"] for row in found["analysis"]["systems"]} == {"tiny", "slow"}
    assert Path(found["report"]).is_file()
    assert (folder / "out" / "analysis" / "summary_statistics.csv").is_file()
    page = Page(Path(found["report"]).read_text(encoding="utf-8"))
    sweep, (verb, *sources) = pasted("".join(page.texts["pre"]), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert invoke(*sweep, "--seeds", "1", "--in-process", "--no-analyze").exit_code == 0
    again, before = (read_table(Store.open(out), "runs") for out in (*sources, folder / "out"))
    assert (verb, sources) == ("analyze", ["results/tiny"])
    first = before[before["seed"] == 1].reset_index()
    assert again[["run_id", "score"]].equals(first[["run_id", "score"]])


def test_progress_goes_to_stderr_and_is_silent_when_quiet(tmp_path: Path) -> None:
    path = str(write_experiment(tmp_path))
    common = ("sweep", path, "--in-process", "--no-analyze", "--seeds", "1")
    loud = invoke(*common, "--out", str(tmp_path / "a"))
    quiet = invoke(*common, "--out", str(tmp_path / "b"), "--quiet")
    assert "[2/2] slow seed 1: completed, weighted_f1" in loud.stderr
    assert "completed, weighted_f1" not in loud.stdout
    assert [line for line in quiet.stderr.splitlines() if not line.startswith("warning:")] == []


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    path = str(write_experiment(tmp_path))
    out = tmp_path / "out"
    dry = invoke("sweep", path, "--out", str(out), "--dry-run")
    planned = invoke("plan", path, "--out", str(out))
    assert dry.exit_code == 0
    assert dry.stdout == planned.stdout
    assert "4 in the grid, 0 recorded, 4 to do" in dry.stdout
    assert not out.exists()


def test_the_plan_says_what_the_seeds_can_decide(folder: Path) -> None:
    found = document(
        invoke("plan", str(folder / "tiny.yaml"), "--out", str(folder / "out"), "--json", "--seeds", "1-5")
    )
    assert found["runs"] == 10
    assert len(found["pending"]) == 6
    assert (found["reach"]["method"], found["reach"]["smallest_p"]) == ("multi_bootstrap", None)
    assert found["estimate"]["source"] == "earlier records"
    assert not any("undecidable" in text for text in found["warnings"])


def test_status_counts_the_current_grid_and_names_its_failures(tmp_path: Path) -> None:
    path = write_experiment(tmp_path)
    out = tmp_path / "out"
    (tmp_path / "model" / "model.safetensors").write_bytes(b"broken")
    result = invoke("sweep", str(path), "--in-process", "--attempts", "1", "--out", str(out), "--seeds", "1")
    assert result.exit_code == 3
    assert "2 failed of 2 runs" in result.stdout
    assert "next:    orchestrate sweep" in result.stdout
    found = document(invoke("status", str(out), "--json"))
    assert found["counts"] == {
        "total": 2,
        "completed": 0,
        "collapsed": 0,
        "diverged": 0,
        "pruned": 0,
        "unsupported": 0,
        "failed": 2,
        "pending": 0,
    }
    assert set(found["failures"]) == {"tiny seed 1", "slow seed 1"}
    left = invoke("sweep", str(path), "--in-process", "--out", str(out), "--seeds", "1", "--no-retry")
    assert "0 runs executed" in left.stdout
    assert "attempt 1 failed" in invoke("logs", "tiny:1", "--out", str(out)).stdout


def test_results_are_a_table_and_a_document(folder: Path) -> None:
    text = invoke("results", str(folder / "out"))
    assert text.stdout.splitlines()[0].split() == [
        "system",
        "seed",
        "status",
        "score",
        "best_epoch",
        "seconds_total",
        "run_id",
    ]
    rows = document(invoke("results", str(folder / "out"), "--json"))["runs"]
    assert [(row["system"], row["seed"]) for row in rows] == [("slow", 1), ("slow", 2), ("tiny", 1), ("tiny", 2)]
    assert all(isinstance(row["score"], float) for row in rows)


def test_the_log_of_a_run_is_found_by_system_and_seed_and_by_the_beginning_of_its_id(folder: Path) -> None:
    out = str(folder / "out")
    by_name = invoke("logs", "tiny:2", "--out", out)
    rows = document(invoke("results", out, "--json"))["runs"]
    run_id = next(row["run_id"] for row in rows if (row["system"], row["seed"]) == ("tiny", 2))
    assert "epoch 1" in by_name.stdout
    assert invoke("logs", run_id[:6], "--out", out).stdout == by_name.stdout
    unknown = invoke("logs", "tiny:77", "--out", out)
    assert unknown.exit_code == 2
    assert "no run 'tiny:77'" in unknown.stderr


def test_a_forgotten_run_is_moved_aside_and_pending_again(tmp_path: Path) -> None:
    path, out = str(write_experiment(tmp_path)), str(tmp_path / "out")
    sweep = ("sweep", path, "--in-process", "--out", out, "--no-analyze", "--seeds", "1", "--json")
    assert document(invoke(*sweep))["ran"] == 2
    assert invoke("forget", "tiny:1", "--out", out).exit_code == 2
    assert invoke("forget", "tiny:1", "--out", out, "--yes").exit_code == 0
    assert document(invoke("status", out, "--json"))["counts"]["pending"] == 1
    assert document(invoke(*sweep))["ran"] == 1
    assert len(list((tmp_path / "out" / "forgotten").iterdir())) == 1


def test_one_cell_runs_in_this_process_and_leaves_the_experiment_of_the_results_alone(tmp_path: Path) -> None:
    path, out = str(write_experiment(tmp_path)), str(tmp_path / "out")
    swept = document(invoke("sweep", path, "--in-process", "--out", out, "--no-analyze", "--seeds", "1", "--json"))
    assert swept["ran"] == 2
    before = (tmp_path / "out" / "experiment.yaml").read_bytes()
    cell = ("run", path, "--model", "tiny", "--out", out, "--json")
    known, new = (document(invoke(*cell, "--seed", seed)) for seed in ("1", "2"))
    assert (known["ran"], new["ran"], new["status"]) == (False, True, "completed")
    assert (tmp_path / "out" / "experiment.yaml").read_bytes() == before
    assert document(invoke("sweep", path, "--in-process", "--out", out, "--no-analyze", "--json"))["ran"] == 1


def test_a_sweep_in_a_directory_that_is_in_use_ends_with_5_and_names_the_holder(folder: Path) -> None:
    with Store.open(folder / "out").lock("somebody"):
        result = invoke("sweep", str(folder / "tiny.yaml"), "--in-process", "--out", str(folder / "out"))
    assert result.exit_code == 5
    assert "is in use by process" in result.stderr


def test_data_that_changed_under_the_results_is_refused_until_it_is_accepted(tmp_path: Path) -> None:
    path, out = str(write_experiment(tmp_path)), str(tmp_path / "out")
    sweep = ("sweep", path, "--in-process", "--out", out, "--no-analyze", "--seeds", "1", "--models", "tiny", "--json")
    assert document(invoke(*sweep))["ran"] == 1
    items = tmp_path / "items.jsonl"
    items.write_text(items.read_text().replace("eclipse", "sunlight"))
    refused = invoke(*sweep)
    assert refused.exit_code == 2
    assert "--accept-new-data" in refused.stderr
    assert document(invoke(*sweep, "--accept-new-data"))["ran"] == 1


def test_results_that_cannot_be_written_end_with_4_before_any_run(tmp_path: Path) -> None:
    path = str(write_experiment(tmp_path))
    (tmp_path / "file").write_text("")
    result = invoke("sweep", path, "--in-process", "--out", str(tmp_path / "file" / "out"))
    assert result.exit_code == 4
    assert str(tmp_path / "file") in result.stderr


def test_a_damaged_table_ends_analysis_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "runs.parquet").write_bytes(b"PAR1 not really")
    result = invoke("analyze", str(tmp_path / "runs.parquet"))
    assert result.exit_code == 6
    assert "runs.parquet" in result.stderr


def test_any_table_with_system_seed_and_score_is_analysed(tmp_path: Path) -> None:
    scores = [(system, seed, seed / 100 + (system == "a") / 10) for system in "ab" for seed in range(8)]
    pd.DataFrame(scores, columns=["system", "seed", "score"]).to_csv(tmp_path / "mine.csv", index=False)
    result = invoke("analyze", str(tmp_path / "mine.csv"), "--json")
    found = document(result)
    assert result.exit_code == 0
    assert found["comparisons"][0]["mean_diff"] == pytest.approx(0.1)
    assert Path(found["report"]) == tmp_path / "mine-analysis" / "report.html"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyze", "nowhere"], "nowhere"),
        (["analyze", "nowhere.csv"], "nowhere.csv"),
        (["status", "nowhere"], "no results in"),
        (["results", "nowhere"], "no results in"),
        (["run", "quickstart", "--model", "minilm-l6", "--seed", "1", "--fold", "2"], "the experiment has no folds"),
    ],
)
def test_what_is_not_there_ends_with_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2, result.stderr
    assert message in result.stderr


def test_results_are_found_by_the_experiments_name_and_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(write_experiment(tmp_path))
    assert invoke("sweep", path, "--in-process", "--no-analyze", "--seeds", "1", "--models", "tiny").exit_code == 0
    answers = {invoke("status", *where).stdout for where in ([], ["tiny"], [path], ["results/tiny"])}
    assert len(answers) == 1


def test_figures_are_svg_unless_other_formats_or_none_are_asked_for(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"system": ["a", "b"] * 3, "seed": [1, 1, 2, 2, 3, 3], "score": [0.1, 0.3, 0.2, 0.4, 0.1, 0.5]}
    )
    table.to_csv(tmp_path / "scores.csv", index=False)
    out = tmp_path / "report"

    def formats(*options: str) -> set[str]:
        found = invoke("analyze", str(tmp_path / "scores.csv"), "--out", str(out), *options)
        assert found.exit_code == 0, found.stderr
        return {file.suffix for file in (out / "figures").glob("*")}

    assert formats() == {".svg", ".csv"}
    assert formats("--figures", "pdf,png") == {".svg", ".pdf", ".png", ".csv"}
    assert formats("--no-figures") == set()
    assert "<figure" not in (out / "report.html").read_text()
    wrong = invoke("analyze", str(tmp_path / "scores.csv"), "--out", str(out), "--figures", "gif")
    assert (wrong.exit_code, "unknown format 'gif'; known: svg, pdf, png" in wrong.stderr) == (2, True)


def test_a_baseline_that_is_no_system_ends_analysis_with_the_nearest_name(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"system": ["a1", "b1"] * 3, "seed": [1, 1, 2, 2, 3, 3], "score": [0.1, 0.3, 0.2, 0.4, 0.1, 0.5]}
    )
    table.to_csv(tmp_path / "scores.csv", index=False)
    source, out = str(tmp_path / "scores.csv"), str(tmp_path / "report")
    wrong = invoke("analyze", source, "--out", out, "--baseline", "a", "--no-figures")
    assert wrong.exit_code == 2
    assert "no system is called 'a'; did you mean 'a1'?" in wrong.stderr
    margin = invoke("analyze", source, "--out", out, "--rope", "-0.1", "--no-figures")
    assert (margin.exit_code, "rope" in margin.stderr) == (2, True)
    right = invoke("analyze", source, "--out", out, "--baseline", "a1", "--no-figures")
    assert right.exit_code == 0
    assert "compared with baseline a1" in right.stdout or "b1 against a1" in right.stdout


def test_an_analysis_finds_results_by_the_experiments_name_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open("results/demo")
    store.write_experiment({"experiment": "demo"}, cells(fill(store, 2)))
    (tmp_path / "demo.yaml").write_text("experiment: demo\n")
    (tmp_path / "other.yaml").write_text("experiment: other\n")
    (tmp_path / "demo").mkdir()  # a folder of that name is not in the way
    for source in ("demo", "demo.yaml", "./demo.yaml", "results/demo", str(tmp_path / "results" / "demo")):
        assert "the runs have no metric 'unheard_of'" in invoke("analyze", source, "--metric", "unheard_of").stderr
    assert "no such file, directory or experiment; results: results/demo" in invoke("analyze", "other").stderr
    assert "there are no results in results/other; results: results/demo" in invoke("analyze", "other.yaml").stderr
    assert "demo: is not a results directory" in invoke("analyze", "./demo").stderr
    assert invoke("analyze", "file:///nowhere").stderr.count("no such file or directory") == 1


def test_validate_prints_the_file_with_every_default(folder: Path) -> None:
    result = invoke("validate", str(folder / "tiny.yaml"))
    content = yaml.safe_load(result.stdout)
    assert content["train"]["learning_rate"] == 1e-3
    assert content["train"]["warmup"] == 0.0
    assert content["models"] == {"tiny": {"path": str(folder / "model")}} | {
        "slow": {"learning_rate": 1e-5, "path": str(folder / "model")}
    }
    assert len(content["data"]["fingerprint"]) == 64


def test_an_unexpected_error_is_one_line_and_a_traceback_only_with_debug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = (
        "from trainables.tasks.token_classification import TokenClassification\n\nclass Mine(TokenClassification):\n"
    )
    source += (
        "    def label_space(self, items):\n        raise ZeroDivisionError('oops\\nsecond line')\n\nTASK = Mine()\n"
    )
    Path("mine.py").write_text(source)
    path = str(write_experiment(tmp_path, task="./mine.py"))
    short, long = invoke("plan", path), invoke("plan", path, "--debug")
    assert short.exit_code == long.exit_code == 1
    assert "error: ZeroDivisionError: oops\n" in short.stderr
    assert "run again with --debug" in short.stderr
    assert "Traceback" not in short.stderr
    assert "Traceback" in long.stderr


def test_tokens_of_the_environment_are_in_no_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = "hf_canary0123456789abcdefghijklmnop"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY"):
        monkeypatch.setenv(name, canary)
    path = str(write_experiment(tmp_path))
    result = invoke("sweep", path, "--in-process", "--out", str(tmp_path / "out"), "--seeds", "1", "--debug")
    assert canary not in result.stdout + result.stderr
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if canary.encode() in file.read_bytes()]
