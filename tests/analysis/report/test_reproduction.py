"""The lines that repeat a report are words of a shell and files of ours, whatever names the results have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.analyze import analyze_results
from analysis.config import CompareConfig
from analysis.report.reproduction import experiment_text, lines, reproduction
from analysis.result import Analysis
from analysis.tables.read import Origin
from orchestrator.config import yaml_file
from tests.analysis import study
from tests.pasted import pasted

FILE = {"experiment": "study", "compare": {"alpha": 0.05}}


def answer_of(*origins: Origin, **changes: Any) -> Analysis:
    """The answer to the small study, had its runs come from there, and been compared by other rules."""
    experiment = next((origin.experiment for origin in origins if origin.experiment), None)
    found = study.analysis(study.THREE[:2], seeds=3)
    results = replace(found.results, origins=origins, experiment=experiment)
    return replace(found, results=results, options=CompareConfig(**changes))


def test_an_experiment_is_written_run_and_analysed() -> None:
    written = lines(answer_of(Origin("/anywhere/out", FILE, ("sweep",))))
    assert written == [
        "cat > experiment.yaml <<'END'",
        "experiment: study",
        "compare: {alpha: 0.05}",
        "END",
        "orchestrate sweep experiment.yaml",
        "orchestrate analyze results/study",
    ]


def test_what_the_runs_recorded_of_the_code_is_said() -> None:
    found = study.analysis(study.THREE[:2], seeds=3)
    runs = found.results.runs.assign(orchestrate_version="0.1.0", orchestrate_commit=["a", "b"] * 3)
    said = reproduction(replace(found, results=replace(found.results, runs=runs)))["provenance"]
    names = ("git_commit", "orchestrate_commit", "orchestrate_version")
    assert [said[name] for name in names] == ["0123abc", "a, b", "0.1.0"]
    assert "orchestrate_commit" not in reproduction(found)["provenance"]


def test_a_search_is_repeated_as_it_was_made() -> None:
    alone, both = (lines(answer_of(Origin("x", FILE, made))) for made in (("search",), ("search", "sweep")))
    assert alone[-2] == "orchestrate search experiment.yaml"
    assert both[-3:-1] == ["orchestrate search experiment.yaml", "orchestrate sweep experiment.yaml"]


def test_the_analysis_has_the_options_that_it_had(tmp_path: Path) -> None:
    found = answer_of(Origin("x", FILE, ("sweep",)), metric="macro_f1", alpha=0.1, rope=0.02, direction="minimize")
    told = replace(found, provenance={**found.provenance, "generator_seed": 7})
    *_, call = pasted("\n".join(lines(told)), tmp_path)
    options = ["--metric", "macro_f1", "--direction", "minimize", "--alpha", "0.1", "--rope", "0.02"]
    assert call == ["analyze", "results/study", *options, "--generator-seed", "7"]


def test_rules_that_no_option_says_are_in_the_file(tmp_path: Path) -> None:
    found = answer_of(Origin("x", FILE, ("sweep",)), primary="sign_flip", resamples=2000)
    assert pasted("\n".join(lines(found)), tmp_path)[-1] == ["analyze", "results/study"]
    compare = yaml.safe_load((tmp_path / "experiment.yaml").read_text())["compare"]
    assert compare == {"alpha": 0.05, "primary": "sign_flip", "resamples": 2000}


def test_the_analysis_keeps_the_rules_it_was_made_with() -> None:
    found = analyze_results(study.results(study.THREE[:2], seeds=3), options=CompareConfig(alpha=0.2))
    assert lines(found)[-1] == "orchestrate analyze results/study --alpha 0.2"


def test_results_of_several_places_are_each_made_once(tmp_path: Path) -> None:
    other = {**FILE, "seeds": [9]}
    origins = [("a", FILE), ("b", FILE), ("c", other), ("scores.csv", None), ("d", {"experiment": "last"})]
    calls = pasted("\n".join(lines(answer_of(*(Origin(*origin, ("sweep",)) for origin in origins)))), tmp_path)
    assert calls == [
        ["sweep", "experiment.yaml"],
        ["sweep", "experiment-2.yaml", "--out", "results/2/study"],
        ["sweep", "experiment-3.yaml"],
        ["analyze", "results/study", "results/2/study", "results/last", "scores.csv"],
    ]
    assert yaml.safe_load((tmp_path / "experiment-2.yaml").read_text()) == other


@pytest.mark.parametrize(
    "name", ["a b.csv", "it's.csv", "a\nb.csv", "$(touch x).csv", "a\u202eb.csv", "ü.csv", "x\\y.csv"]
)
def test_a_source_of_any_name_reaches_the_command_whole(name: str, tmp_path: Path) -> None:
    written = lines(answer_of(Origin(name, None, ("sweep",))))
    assert len(written) == 1
    assert all(character.isprintable() for character in written[0])
    assert pasted(written[0], tmp_path) == [["analyze", name]]
    assert [path.name for path in tmp_path.iterdir()] == ["calls"]


def test_a_file_that_is_no_experiments_is_no_file_to_run() -> None:
    written = lines(answer_of(Origin("out", {"something": "else"}, ("sweep",))))
    assert written == ["orchestrate analyze out"]


def test_the_file_is_read_back_as_it_was_by_both_kinds_of_readers(tmp_path: Path) -> None:
    content = {
        "experiment": "study",
        "numbers": [1e-8, 3e-05, 3, True, None],
        "texts": [
            "1e5",
            "0o17",
            "09",
            "42-51",
            "yes",
            "null",
            "",
            " a",
            "a: b # c",
            "two\nlines",
            "\u202ea\x85b",
            "日本",
        ],
        "long " * 60 + "END": "word " * 60 + "END",
        "END": {"END": ["END", "\nEND\n"]},
    }
    text = experiment_text(content)
    assert yaml.safe_load(text) == yaml_file.parse(text, "experiment.yaml").content == content
    found = answer_of(Origin("x", content, ("sweep",)))
    assert len(pasted("\n".join(lines(found)), tmp_path)) == 2
    assert yaml.safe_load((tmp_path / "experiment.yaml").read_text(encoding="utf-8")) == content
