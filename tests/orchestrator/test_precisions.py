"""What a card lacks decides precisions, and the plan says which and why; it refuses no experiment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.errors import InvalidExperiment
from tests.orchestrator.experiments import resolved, write_experiment

T4, H200, P40 = "4 x Tesla T4, 7.5, 15360", "8 x NVIDIA H200, 9.0, 143771", "1 x Tesla P40, 6.1, 24576"
MODELS: dict[str, Any] = {"auto": {"path": "model"}, "plain": {"path": "model", "precision": "fp32", "epochs": 2}}
RECIPES = {"default": {}, "recorded": {"cuda_graphs": {}}, "rough": {"tf32": {}}}


@pytest.mark.parametrize(
    ("cards", "precision", "why"),
    [
        (H200, "bf16", "auto: NVIDIA H200 computes in bf16"),
        (T4, "fp16", "auto: Tesla T4 has no bf16; fp16 with a GradScaler; orchestrate probe says whether it overflows"),
        (P40, "fp32", "auto: Tesla P40 has neither bf16 nor cores for fp16"),
    ],
)
def test_the_plan_says_the_precision_of_every_model_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cards: str, precision: str, why: str
) -> None:
    monkeypatch.setenv("ORCHESTRATE_GPUS", cards)
    asked = ["plan", str(write_experiment(tmp_path, models=MODELS)), "--out", str(tmp_path / "out")]
    document = json.loads(CliRunner().invoke(main, [*asked, "--json"]).stdout)
    assert document["precisions"] == [
        {"model": "auto", "precision": precision, "why": why},
        {"model": "plain", "precision": "fp32", "why": "asked for"},
    ]
    text = CliRunner().invoke(main, asked).stdout
    assert f"\nprecision   {precision} for auto ({why})\n            fp32 for plain (asked for)\n" in text


def test_what_fp16_by_itself_cannot_have_is_left_out_on_that_card_and_refused_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATE_GPUS", T4)
    found = {system.name: system for system in resolved(tmp_path, models=MODELS, recipes=RECIPES).systems}
    assert found["auto/recorded"].config.model.precision == "fp16"
    assert "the gradient scaler of fp16 waits" in str(found["auto/recorded"].unsupported)
    assert found["auto"].unsupported is found["plain/recorded"].unsupported is None
    assert "tf32 needs CUDA devices" in str(found["auto/rough"].unsupported)


def test_what_no_precision_helps_and_what_was_asked_for_is_refused_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATE_GPUS", T4)
    with pytest.raises(InvalidExperiment, match="the gradient scaler of fp16 waits"):
        resolved(tmp_path, models={"tiny": {"path": "model", "precision": "fp16"}}, recipes=RECIPES)
    with pytest.raises(InvalidExperiment, match="layers"):
        resolved(tmp_path, models={"tiny": {"path": "model"}}, recipes={"deep": {"freezing": {"layers": 99}}})
