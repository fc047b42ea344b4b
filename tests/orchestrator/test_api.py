"""The Python interface does what the commands do, its examples run, and importing it costs nothing."""

from __future__ import annotations

import doctest
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import orchestrator
from analysis.analyze import analyze
from orchestrator import Experiment, InvalidExperiment, LayoutOptions, SweepOptions, UserError, api, html_tables
from orchestrator.commands.analyze import AnalyzeResult
from orchestrator.config.resolve import grid_runs, resolve
from tests.architecture.imports import modules, room
from tests.architecture.layers import ROOT
from tests.orchestrator.experiments import write_experiment

TINY = {
    "models": {"small": {"path": "model"}, "smaller": {"path": "model", "learning_rate": 1e-5}},
    "save": "best",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the examples speak of, with a sweep in `results/tiny`: a new sweep of it finds nothing to do."""
    folder = tmp_path_factory.mktemp("api")
    write_experiment(folder, **TINY).rename(folder / "experiment.yaml")
    options = SweepOptions(out=str(folder / "results/tiny"), layout=LayoutOptions(in_process=True))
    assert orchestrator.sweep(folder / "experiment.yaml", options).ran == 4
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the working directory."""
    monkeypatch.chdir(folder)
    return folder


def examples() -> list[doctest.DocTest]:
    """The examples of every docstring of `api.py`."""
    return [test for test in doctest.DocTestFinder().find(api, api.__name__) if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name)
def test_the_examples_of_the_docstrings_run(example: doctest.DocTest, inside: Path) -> None:
    ran = doctest.DocTestRunner().run(example)
    assert (ran.failed, ran.attempted) == (0, len(example.examples))


def test_every_public_function_has_an_example_and_says_what_it_raises() -> None:
    with_examples = {test.name.removeprefix("orchestrator.api.") for test in examples()}
    verbs = {name for name in orchestrator.__all__ if name[0].islower()}
    assert verbs | {"Experiment", "Experiment.load", "Experiment.from_dict"} <= with_examples
    assert [name for name in sorted(verbs) if "Raises " not in (getattr(orchestrator, name).__doc__ or "")] == []


def test_the_page_on_python_runs_from_top_to_bottom(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "own")
    monkeypatch.chdir(tmp_path / "own")
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    written = orchestrator.Experiment.load("experiment.yaml").document.content
    Path("of-the-page.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    assert orchestrator.Experiment.load("of-the-page.yaml").document.content == written
    test = doctest.DocTestParser().get_doctest(page.replace("```", "\n"), {}, "python.md", "docs/python.md", 0)
    ran = doctest.DocTestRunner().run(test)
    assert (ran.failed, ran.attempted > 15) == (0, True)
    assert Path("results/tiny/analysis/report.html").is_file()


def test_an_experiment_is_changed_as_it_is_loaded_and_swept_once(tmp_path: Path) -> None:
    loaded = orchestrator.load_experiment(
        write_experiment(tmp_path), seeds=[3, 4], models=["tiny"], settings={"train.learning_rate": 2e-3}
    )
    assert loaded.experiment.seeds == (3, 4)
    options = SweepOptions(out=str(tmp_path / "out"), layout=LayoutOptions(in_process=True))
    events: list[Any] = []
    result = orchestrator.sweep(loaded, options, on_event=events.append)
    assert (result.ran, result.exit_code, result.finished) == (2, 0, True)
    assert [type(event).__name__ for event in events].count("RunFinished") == 2
    assert orchestrator.sweep(loaded, options).ran == 0


def test_an_experiment_from_a_mapping_has_the_run_ids_of_the_file(inside: Path, tmp_path: Path) -> None:
    loaded = Experiment.load("experiment.yaml")
    content = {**loaded.document.content, "seeds": range(1, 3), "data": {"path": Path("items.jsonl")}}
    ids = [run.run_id for run in grid_runs(resolve(loaded))]
    assert [run.run_id for run in grid_runs(resolve(Experiment.from_dict(content, base=inside)))] == ids
    assert [run.run_id for run in grid_runs(resolve(Experiment.from_dict(loaded.to_dict())))] == ids
    content["models"]["small"]["path"] = "changed afterwards"
    assert [run.run_id for run in grid_runs(resolve(loaded))] == ids
    elsewhere = Experiment.from_dict(loaded.to_dict(), base=tmp_path)
    with pytest.raises(InvalidExperiment, match=r"items\.jsonl"):
        resolve(elsewhere)


def test_a_mapping_says_everything_that_a_file_could_not_hold() -> None:
    with pytest.raises(InvalidExperiment) as caught:
        Experiment.from_dict({"experiment": b"name", "train": {1: 2, "epochs": object()}, "seeds": {3}})
    assert str(caught.value).splitlines() == [
        "Experiment.from_dict: experiment: must be a plain value, got bytes",
        "Experiment.from_dict: seeds: must be a plain value, got set",
        "Experiment.from_dict: train: keys must be text, got 1",
        "Experiment.from_dict: train.epochs: must be a plain value, got object",
    ]


def test_damaged_results_raise_what_a_user_catches(inside: Path, tmp_path: Path) -> None:
    shutil.copytree("results/tiny", tmp_path / "damaged")
    (tmp_path / "damaged/cells.json").write_bytes(b"not a list")
    with pytest.raises(orchestrator.CorruptResults, match=r"cells\.json"):
        orchestrator.results(tmp_path / "damaged")
    with pytest.raises(orchestrator.CorruptResults, match=r"cells\.json"):
        orchestrator.analyze(tmp_path / "damaged", out=tmp_path / "answer")


def test_what_cannot_be_answered_is_a_problem_of_the_user(inside: Path) -> None:
    with pytest.raises(UserError, match="nothing to analyse"):
        orchestrator.analyze()
    with pytest.raises(UserError, match="trust_remote_code must be"):
        orchestrator.predict("small:1", "text", out="results/tiny", trust_remote_code="nonsense")
    with pytest.raises(UserError, match="say what to predict"):
        orchestrator.predict("small:1", out="results/tiny")


def test_a_notebook_shows_values_as_tables_and_escapes_what_they_hold(inside: Path) -> None:
    recorded = orchestrator.results("results/tiny")
    planned = orchestrator.plan("experiment.yaml")
    swept = orchestrator.sweep(
        "experiment.yaml", SweepOptions(out="results/tiny", layout=LayoutOptions(in_process=True))
    )
    answer = AnalyzeResult(analyze(["results/tiny"]), "folder")
    assert (answer.verdict, len(answer.verdicts)) == (answer.analysis.headline, 1)
    assert answer._repr_html_().count("<table>") == 2
    for value in (recorded, answer, planned, swept, swept.status, Experiment.load("experiment.yaml")):
        shown = value._repr_html_()
        assert "<table>" in shown, type(value)
        assert "<td>smaller</td>" in shown, type(value)
    named = replace(planned, experiment="<script>", notes=("<b>",))
    assert "<script>" not in named._repr_html_()
    assert "&lt;b&gt;" in named._repr_html_()
    predicted = orchestrator.predict("small:1", "<i> battery", out="results/tiny")
    assert "<td>&lt;i&gt;</td>" in predicted._repr_html_()


def test_a_notebook_shows_what_a_search_found_and_what_an_export_wrote(inside: Path) -> None:
    wanted = {"parameters": {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}, "trials": 2}
    experiment = Experiment.load("experiment.yaml", models=["small"], settings={"search": wanted})
    searched = orchestrator.search(experiment, SweepOptions(out="searched", layout=LayoutOptions(in_process=True)))
    assert f"train.learning_rate = {searched.best['small']['train.learning_rate']}" in searched._repr_html_()
    written = orchestrator.export("small:1", "shown-model", out="results/tiny")
    assert written._repr_html_().startswith("<p>shown-model</p><table>")


def test_a_long_table_is_cut_for_a_notebook_and_says_so() -> None:
    shown = html_tables.table(["a"], [[number] for number in range(100)])
    assert shown.count("<tr>") == 61
    assert "and 40 more rows" in shown
    assert html_tables.table(["a", "b", "c"], [[None, float("nan"), 0.12345]]).endswith(
        "<tr><td>-</td><td>-</td><td>0.1235</td></tr></table>"
    )


def test_recorded_runs_are_a_frame_with_every_column(inside: Path) -> None:
    recorded = orchestrator.results("results/tiny")
    assert isinstance(recorded.runs, pd.DataFrame)
    assert {"run_id", "system", "seed", "score", "metric_weighted_f1"} <= set(recorded.runs)
    assert list(recorded.runs.index) == [0, 1, 2, 3]
    assert recorded.warnings == (
        "6 evaluation items are also training items: scores are too high",
        "1 evaluation item repeats another one of the same part: resampled together, as one piece of evidence",
    )


FRESH = """
import sys, time
started = time.process_time()
import orchestrator
names = dir(orchestrator)
seconds = time.process_time() - started
import json
mine = sorted(name for name in sys.modules if name.partition(".")[0] in ("orchestrator", "analysis", "trainables"))
print(json.dumps({"seconds": seconds, "mine": mine, "names": names}))
"""


def test_importing_the_package_and_listing_its_names_imports_nothing_else() -> None:
    answer = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    assert found["mine"] == ["orchestrator"]
    assert found["seconds"] < 0.1
    assert set(orchestrator.__all__) <= set(found["names"])


def test_a_verb_is_a_function_also_after_everything_was_imported() -> None:
    exported = set(orchestrator.__all__)
    assert {room(name, "orchestrator") for name in modules(ROOT)} & exported == set()
    assert all(callable(getattr(orchestrator, name)) for name in exported - {"__version__"})


def test_the_package_offers_the_verbs_and_nothing_else() -> None:
    verbs = ["analyze", "export", "load_experiment", "plan", "predict", "results", "search", "sweep"]
    assert [name for name in orchestrator.__all__ if name[0].islower()] == verbs
    assert orchestrator.__version__ == "0.1.0"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = orchestrator.nothing


@pytest.mark.parametrize("package", ["orchestrator", "analysis", "trainables"])
def test_every_package_says_that_it_has_types(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert f'{package} = ["py.typed"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
