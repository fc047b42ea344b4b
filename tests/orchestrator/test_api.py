"""The small Python interface does what the commands do."""

from __future__ import annotations

from pathlib import Path

import pytest

import orchestrator
from orchestrator.commands._executor_choice import LayoutOptions
from orchestrator.commands.sweep import SweepOptions
from tests.orchestrator.experiments import write_experiment


def test_an_experiment_is_loaded_swept_and_analysed(tmp_path: Path) -> None:
    loaded = orchestrator.load_experiment(
        write_experiment(tmp_path), seeds=[3, 4], models=["tiny"], settings={"train.learning_rate": 2e-3}
    )
    assert loaded.experiment.seeds == (3, 4)
    options = SweepOptions(out=str(tmp_path / "out"), layout=LayoutOptions(in_process=True))
    result = orchestrator.sweep(loaded, options)
    assert (result.ran, result.exit_code, result.finished) == (2, 0, True)
    found = orchestrator.analyze(tmp_path / "out", out=tmp_path / "answer", compare={"alpha": 0.1})
    assert found.analysis.alpha == 0.1
    assert (tmp_path / "answer" / "report.html").is_file()
    assert orchestrator.sweep(loaded, options).ran == 0


def test_the_package_offers_the_verbs_and_nothing_else() -> None:
    assert orchestrator.__all__ == ["analyze", "load_experiment", "search", "sweep"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = orchestrator.nothing
