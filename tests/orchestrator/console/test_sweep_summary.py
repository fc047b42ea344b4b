"""The end of a run tells its user what the score does not: what was cut off, and why the model counts as collapsed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.commands.run import CellResult
from orchestrator.console.console import Console
from orchestrator.console.sweep_summary import report_cell
from orchestrator.storage import Store
from tests.orchestrator.storage.stores import make_outcome, make_run

WHY = "every word got the label O"
TOLD = "small/default: 2 evaluation items lose 7 words to train.max_length"


@pytest.fixture
def ended(tmp_path: Path) -> CellResult:
    """A run that collapsed on items that were cut off, beside another one that was not."""
    store, run = Store.open(tmp_path / "out"), make_run(1)
    counted = make_outcome(evaluation_truncated_items=2, evaluation_truncated_words=7)
    assert store.commit(run, replace(counted, status="collapsed", error=WHY))
    assert store.commit(make_run(2), make_outcome(evaluation_truncated_items=3, evaluation_truncated_words=9))
    store.compact()
    return CellResult(run, store.location, True, "collapsed", 0.5, WHY, address=store.address)


def test_a_run_says_what_was_cut_off_and_why_it_collapsed(
    ended: CellResult, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_cell(Console(color=False), ended) == 0
    printed = capsys.readouterr()
    assert printed.err == f"warning: {TOLD}\n"
    assert printed.out.startswith(f"small/default seed 1: collapsed, weighted_f1 0.5000 ({WHY})\n")


def test_the_document_of_a_run_says_it_too(ended: CellResult, capsys: pytest.CaptureFixture[str]) -> None:
    report_cell(Console(as_json=True, color=False), ended)
    document = json.loads(capsys.readouterr().out)
    assert (document["warnings"], document["error"]) == ([TOLD], WHY)
