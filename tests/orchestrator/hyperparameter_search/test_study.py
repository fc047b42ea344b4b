"""A search as a conversation: what is begun, ended and taken up again after which event, also after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.commands.search import search_settings, with_winners
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.config.run_spec import RunSpec
from orchestrator.errors import CorruptResults
from orchestrator.executors.events import EpochReported, LanesPlanned, RunFailed, RunFinished, RunStopped
from orchestrator.hyperparameter_search.driver import SearchRunSource
from orchestrator.hyperparameter_search.study import Study
from orchestrator.storage import Store
from tests.orchestrator.experiments import resolved

PARAMETERS = {"train.learning_rate": {"loguniform": [1e-5, 1e-2]}, "train.batch_size": {"choice": [4, 8]}}


def study_of(folder: Path, models: Sequence[str] = ("tiny",), **search: Any) -> ResolvedExperiment:
    changes: dict[str, Any] = {
        "models": {name: {"path": "model", "weight_decay": 0.01 * place} for place, name in enumerate(models)},
        "train": {"epochs": 9, "batch_size": 4, "learning_rate": 1e-3},
        "search": {
            "parameters": PARAMETERS,
            "trials": 4,
            "searcher": "random",
            "scheduler": "asha_stopping",
            **search,
        },
    }
    return resolved(folder, **changes)


class Talk:
    """A search and what an executor would tell it. `told` are the runs that were begun, in order."""

    def __init__(self, found: ResolvedExperiment, out: Path, lanes: int = 1, is_time_up: bool = False) -> None:
        self.store = Store.open(out)
        self.studies = [Study(search_settings(found), found, system, self.store) for system in found.systems]
        self.begun: list[RunSpec] = []
        self.run_source = SearchRunSource(self.studies, lambda: is_time_up, self.begun.append)
        self.first = self.run_source.first()
        self.decision = self.run_source.react(LanesPlanned(lanes, 1, 1.0, 0.0))

    def epoch(self, run: RunSpec, epoch: int, score: float | None) -> Any:
        row = {"epoch": epoch, "metric_weighted_f1": score}
        self.decision = self.run_source.react(EpochReported(run.run_id, 0, row))
        return self.decision

    def pause(self, run: RunSpec) -> Any:
        self.decision = self.run_source.react(RunStopped(run.run_id, 0, 1, checkpoint=True, paused=True))
        return self.decision

    def finish(self, run: RunSpec, status: Any = "completed", score: float | None = 0.5) -> Any:
        self.decision = self.run_source.react(RunFinished(run.run_id, 0, 1, status, score, None, 1.0))
        return self.decision


def test_the_first_trial_is_the_files_own_settings_and_lanes_are_filled(tmp_path: Path) -> None:
    found = study_of(tmp_path)
    talk = Talk(found, tmp_path / "out", lanes=3)
    assert len(talk.first) == 1
    assert len(talk.decision.start) == 2
    assert talk.first[0].config.train == found.systems[0].config.train
    assert [run.trial for run in talk.begun] == [1, 2, 3]
    assert talk.decision.coming == 1
    assert all(run.stage == "search" and not run.keep for run in talk.begun)


def test_a_trial_is_none_of_the_cells_of_a_sweep_and_none_of_another_search(tmp_path: Path) -> None:
    found = study_of(tmp_path)
    cell = found.run(found.systems[0], 0, None)
    (own,) = Talk(found, tmp_path / "out").first
    (other,) = Talk(study_of(tmp_path, scheduler="median"), tmp_path / "out").first
    (larger,) = Talk(study_of(tmp_path, trials=40), tmp_path / "more").first
    assert len({cell.run_id, own.run_id, other.run_id}) == 3
    assert larger.run_id == own.run_id, "a budget is no part of what a trial is"


def test_systems_take_turns(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path, models=("tiny", "other"), trials=2), tmp_path / "out", lanes=4)
    assert [(run.system, run.trial) for run in talk.begun] == [("tiny", 1), ("other", 1), ("tiny", 2), ("other", 2)]


def test_a_bad_trial_is_pruned_and_the_next_one_begins(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out", lanes=2)
    good, bad = talk.begun
    assert talk.epoch(good, 1, 0.8).prune == ()
    assert talk.epoch(bad, 1, 0.1).prune == (bad.run_id,)
    assert [run.trial for run in talk.finish(bad, "pruned", None).start] == [3]
    study = talk.studies[0]
    assert [study.trials[number].state for number in (1, 2, 3)] == ["running", "pruned", "running"]


def test_a_score_that_is_no_number_is_pruned_and_never_wins(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out", lanes=2)
    first, second = talk.begun
    assert talk.epoch(first, 1, None).prune == (first.run_id,)
    talk.finish(first, "pruned", None)
    talk.finish(second, "diverged", None)
    assert talk.studies[0].best is None
    assert with_winners(study_of(tmp_path), talk.studies).systems == ()


def test_the_search_ends_with_its_budget(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out")
    for score in (0.1, 0.4, 0.2, 0.3):
        talk.epoch(talk.begun[-1], 2, score)
        talk.finish(talk.begun[-1], score=1.0 - score)  # on test items, say: settings are not chosen by that
    assert len(talk.begun) == 4
    assert talk.decision.coming == 0
    assert talk.decision.start == ()
    best = talk.studies[0].trials[talk.studies[0].best or 0]
    (winner,) = with_winners(study_of(tmp_path), talk.studies).systems
    assert best.result == 0.4
    assert winner.winner_of == talk.begun[1].run_id
    assert winner.config.train.learning_rate == best.values["train.learning_rate"]
    assert winner.config.train.batch_size == best.values["train.batch_size"]


def test_of_an_error_less_is_better(tmp_path: Path) -> None:
    found = study_of(tmp_path)
    found = found.__class__(**{**found.__dict__, "direction": "minimize"})
    talk = Talk(found, tmp_path / "out", lanes=2)
    high, low = talk.begun
    talk.epoch(low, 1, 0.2)
    assert talk.epoch(high, 1, 0.9).prune == (high.run_id,)
    talk.finish(low)
    study = talk.studies[0]
    assert study.best == 2
    assert study.shown(study.trials[2].result) == 0.2


def test_a_search_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """The second one knows the trials of the first, begins with those that had not ended, and proposes no other."""
    found = study_of(tmp_path)
    first = Talk(found, tmp_path / "out", lanes=2)
    one, two = first.begun
    first.epoch(one, 1, 0.6)
    first.epoch(two, 1, 0.7)
    again = Talk(found, tmp_path / "out", lanes=2)
    assert again.begun == [one, two]
    assert again.studies[0].trials[2].scores == {1: 0.7}
    again.finish(one)
    again.finish(two)
    uninterrupted = Talk(found, tmp_path / "clean", lanes=2)
    for run in list(uninterrupted.begun):
        uninterrupted.finish(run)
    assert [run.run_id for run in again.begun] == [run.run_id for run in uninterrupted.begun]


def test_a_record_counts_although_the_search_died_before_it_heard_of_it(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out")
    again = Talk(study_of(tmp_path), tmp_path / "out")
    study = again.studies[0]
    study.settle({talk.begun[0].run_id: "completed"}, {talk.begun[0].run_id: {1: 0.5, 2: 0.7}})
    assert study.trials[1].state == "completed"
    assert study.trials[1].scores == {1: 0.5, 2: 0.7}


def test_a_line_that_a_kill_has_cut_is_passed_over_and_a_damaged_proposal_is_not(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out")
    talk.epoch(talk.begun[0], 1, 0.5)
    (folder,) = (tmp_path / "out" / "search").iterdir()
    with (folder / "scores.jsonl").open("a") as scores:
        scores.write('{"trial": 1, "epoch": 2, "sco')
    assert Talk(study_of(tmp_path), tmp_path / "out").studies[0].trials[1].scores == {1: 0.5}
    proposal = folder / "0001.json"
    proposal.write_text(proposal.read_text().replace('"default"', '"tpe"'))
    with pytest.raises(CorruptResults, match=r"0001\.json"):
        Talk(study_of(tmp_path), tmp_path / "out")


@pytest.mark.parametrize("lost", ["0002.json", "study.json"])
def test_a_file_that_was_lost_is_written_again_as_it_was(tmp_path: Path, lost: str) -> None:
    Talk(study_of(tmp_path), tmp_path / "out", lanes=3)
    (folder,) = (tmp_path / "out" / "search").iterdir()
    before = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    assert len(before) == 4
    (folder / lost).unlink()

    Talk(study_of(tmp_path), tmp_path / "out", lanes=3)
    assert {path.name: path.read_bytes() for path in folder.glob("*.json")} == before


def test_a_cohort_is_paused_compared_and_taken_up_again(tmp_path: Path) -> None:
    """Nine epochs, factor three: the first cohort has nine trials that wait for each other after one epoch."""
    talk = Talk(study_of(tmp_path, scheduler="hyperband", trials=9), tmp_path / "out")
    for place in range(9):
        run = talk.begun[-1]
        decision = talk.epoch(run, 1, place / 10)
        if place < 8:
            assert decision.pause == (run.run_id,)
            talk.pause(run)
    last = talk.begun[-1]
    assert talk.decision.pause == talk.decision.prune == ()
    talk.finish(last, score=0.9)
    ended = []
    while talk.begun[-1] is not last:
        last = talk.begun[-1]
        ended.append((last.trial, last.run_id in talk.decision.prune))
        talk.finish(last, "pruned" if ended[-1][1] else "completed", None if ended[-1][1] else 0.5)
    assert ended == [(1, True), (2, True), (3, True), (4, True), (5, True), (6, True), (7, False), (8, False)]
    assert talk.decision.coming == 0


def test_the_best_of_three_is_taken_up_again_before_another_one_is_proposed(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path, scheduler="asha", trials=9), tmp_path / "out")
    for score in (0.3, 0.5, 0.4):
        run = talk.begun[-1]
        assert talk.epoch(run, 1, score).pause == (run.run_id,)
        talk.pause(run)
    assert [run.trial for run in talk.begun] == [1, 2, 3, 2]
    assert talk.decision.prune == ()


@pytest.mark.parametrize("scheduler", ["asha", "hyperband"])
def test_trials_do_not_wait_for_proposals_that_never_come(tmp_path: Path, scheduler: str) -> None:
    """A grid of two values and a budget of nine: three trials with the file's own settings, and that is all."""
    parameters = {"train.batch_size": {"choice": [8, 16]}}
    found = study_of(tmp_path, searcher="grid", scheduler=scheduler, trials=9, parameters=parameters)
    talk = Talk(found, tmp_path / "out")
    for score in (0.3, 0.5, 0.4):
        run = talk.begun[-1]
        talk.epoch(run, 1, score)
        talk.pause(run)
    for place in range(3, 6):
        run = talk.begun[place]
        talk.finish(run, "pruned" if run.run_id in talk.decision.prune else "completed")
    assert sorted(run.trial or 0 for run in talk.begun[3:]) == [1, 2, 3]
    assert talk.decision.coming == 0
    states = [trial.state for trial in talk.studies[0].trials.values()]
    assert states == ["pruned", "completed", "pruned"]


def test_a_stop_that_nobody_ordered_ends_the_search(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out")
    decision = talk.run_source.react(RunStopped(talk.begun[0].run_id, 0, 1, checkpoint=True))
    assert decision.start == ()
    assert decision.coming == 0


def test_a_run_whose_trial_was_lost_for_a_while_stays_under_way(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out")
    run = talk.begun[0]
    stopped = RunStopped(run.run_id, 0, 1, checkpoint=True, will_resume=True)
    assert talk.run_source.react(stopped).start == ()
    talk.epoch(run, 1, 0.5)
    assert len(talk.finish(run).start) == 1


def test_a_trial_that_fails_for_good_makes_room_and_is_tried_again_next_time(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out")
    run = talk.begun[0]
    assert talk.run_source.react(RunFailed(run.run_id, 0, 1, "crashed", "no", True, 1.0)).start == ()
    assert len(talk.run_source.react(RunFailed(run.run_id, 0, 2, "crashed", "no", False, 1.0)).start) == 1
    assert Talk(study_of(tmp_path), tmp_path / "out").begun[0] == run


def test_when_the_time_is_up_no_trial_is_proposed(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path), tmp_path / "out")
    talk.run_source.is_time_up = lambda: True
    assert talk.finish(talk.begun[0]).start == ()
    assert talk.decision.coming == 0


def test_however_short_the_time_every_system_has_the_trial_with_its_own_settings(tmp_path: Path) -> None:
    talk = Talk(study_of(tmp_path, models=("tiny", "other")), tmp_path / "out", is_time_up=True)
    assert [(run.system, run.trial) for run in talk.begun] == [("tiny", 1)]
    assert [(run.system, run.trial) for run in talk.finish(talk.begun[0]).start] == [("other", 1)]
    assert talk.finish(talk.begun[1]).start == ()
