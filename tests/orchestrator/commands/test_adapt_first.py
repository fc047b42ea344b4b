"""Stages: one adaptation a model comes first, and every run that follows begins with its best weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.tables.read import read
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.events import Message
from orchestrator.commands.plan import plan
from orchestrator.commands.run import run_cell
from orchestrator.commands.sweep import SweepOptions, SweepResult, sweep
from orchestrator.config import resolve
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.errors import InvalidExperiment, UserError
from orchestrator.storage import Store
from tests.orchestrator.experiments import resolved
from tests.tiny import SENTENCES

ADAPT = {"data": {"path": "text.txt"}, "epochs": 2, "batch_size": 4, "max_length": 24, "learning_rate": 1e-3}
MODELS = {"tiny": {"path": "model"}, "small": {"path": "model", "overrides": {"num_hidden_layers": 1}}}


def adapted(folder: Path, text: tuple[str, ...] = SENTENCES, **changes: Any) -> ResolvedExperiment:
    """The tiny experiment, with a corpus of a few sentences to adapt its two models to."""
    folder.mkdir(exist_ok=True)
    (folder / "text.txt").write_text("\n".join(text * 3) + "\n", encoding="utf-8")
    return resolved(folder, **{"adapt": ADAPT, "models": MODELS, "seeds": "1-2", **changes})


def swept(experiment: ResolvedExperiment, out: Path, heard: list[str] | None = None) -> SweepResult:
    """Sweep in this process; `heard` gets the remarks."""
    options = SweepOptions(out=str(out), layout=LayoutOptions(in_process=True))
    messages = heard if heard is not None else []
    return sweep(experiment, options, lambda event: messages.append(event.text) if isinstance(event, Message) else None)


def runs(out: Path) -> pd.DataFrame:
    """The `runs` table, by run id."""
    return pd.read_parquet(out / "runs.parquet").set_index("run_id")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny experiment in `e`, swept into `out`."""
    found = tmp_path_factory.mktemp("stages")
    result = swept(adapted(found / "e"), found / "out")
    assert (result.exit_code, result.ran) == (0, 6)
    return found


def test_there_is_one_adaptation_a_model_and_every_run_begins_with_it(folder: Path) -> None:
    table = runs(folder / "out")
    first, later = table[table["stage"] == "adapt"], table[table["stage"] == "fine-tune"]
    assert sorted(first["system"]) == ["adapt:small", "adapt:tiny"]
    assert set(first["task"]) == {"masked_lm"}
    assert (len(later), set(later["task"])) == (4, {"token_classification"})
    for model in MODELS:
        begun = set(later.loc[later["model"] == model, "init_from"])
        assert begun == set(first.index[first["model"] == model])
    assert first["finished_at"].max() < later["started_at"].min()


def test_adaptations_are_not_compared(folder: Path) -> None:
    results = read([folder / "out"])
    assert set(results.runs["stage"]) == {"fine-tune"}
    assert set(results.predictions["run_id"]) == set(results.runs["run_id"])


def test_running_it_again_does_nothing_and_a_larger_grid_adapts_nothing_again(folder: Path) -> None:
    assert swept(adapted(folder / "e"), folder / "out").ran == 0
    assert swept(adapted(folder / "e", seeds="1-3"), folder / "out").ran == 2


def test_the_text_and_the_settings_of_an_adaptation_are_part_of_every_id_that_follows(tmp_path: Path) -> None:
    found = {
        name: {run.run_id for run in resolve.grid_runs(adapted(tmp_path / "e", **changes))}
        for name, changes in {
            "as it is": {},
            "other text": {"text": SENTENCES[:4]},
            "other rate": {"adapt": {**ADAPT, "learning_rate": 2e-3}},
            "other mask": {"adapt": {**ADAPT, "mask": 0.3}},
            "no adaptation": {"adapt": None},
        }.items()
    }
    assert len(set.union(*found.values())) == 5 * 4
    assert {run.run_id for run in resolve.grid_runs(adapted(tmp_path / "e"))} == found["as it is"]


def test_what_one_model_says_of_adaptation_holds_for_that_model_only(tmp_path: Path) -> None:
    models = {
        "tiny": {"path": "model", "adapt": {"batch_size": 8}},
        "small": MODELS["small"],
        "plain": {"path": "model", "adapt": False},
    }
    experiment = adapted(tmp_path / "e", models=models)
    assert [run.config.train.batch_size for run in experiment.adaptations] == [8, 4]
    begun = {system.name: system.config.init_from for system in experiment.systems}
    assert begun["plain"] is None
    assert None not in (begun["tiny"], begun["small"])


def test_two_systems_of_one_model_share_its_adaptation(tmp_path: Path) -> None:
    models = {"tiny": {"path": "model"}, "slow": {"path": "model", "learning_rate": 1e-5}}
    experiment = adapted(tmp_path / "e", models=models)
    assert len(experiment.adaptations) == 1
    assert {system.config.init_from for system in experiment.systems} == {experiment.adaptations[0].run_id}


def test_adapted_weights_are_what_training_begins_with(tmp_path: Path) -> None:
    out = tmp_path / "out"
    train = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-12}
    experiment = adapted(tmp_path / "e", train=train, save="best", seeds="1", models={"tiny": {"path": "model"}})
    swept(experiment, out)
    weights = {stage: _encoder(out, run_id) for run_id, stage in runs(out)["stage"].items()}
    names = [name for name in weights["fine-tune"] if name in weights["adapt"]]
    assert len(names) > 30
    assert all(abs(weights["fine-tune"][name] - weights["adapt"][name]).max() < 1e-6 for name in names)


def _encoder(out: Path, run_id: str) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return {
        name: value
        for name, value in load_file(out / "runs" / run_id / "best" / "model.safetensors").items()
        if name.startswith("bert.")
    }


def test_an_adaptation_that_fails_holds_back_its_own_runs_only_and_says_why(tmp_path: Path) -> None:
    out, heard = tmp_path / "out", list[str]()
    models = {"tiny": {"path": "model"}, "wild": {"path": "model", "adapt": {"learning_rate": 1e30, "clip": None}}}
    result = swept(adapted(tmp_path / "e", models=models), out, heard)
    table = runs(out)
    assert result.exit_code == 3
    assert table.groupby("system").size().to_dict() == {"adapt:tiny": 1, "adapt:wild": 1, "tiny": 2}
    assert table.loc[table["system"] == "adapt:wild", "status"].tolist() == ["diverged"]
    assert any("2 runs of wild not executed" in line and "diverged" in line for line in heard)


def test_a_plan_counts_adaptations_and_one_cell_runs_its_own(tmp_path: Path) -> None:
    experiment, out = adapted(tmp_path / "e"), tmp_path / "out"
    found = plan(experiment, out=str(out))
    assert (found.runs, [run.stage for run in found.pending][:2]) == (6, ["adapt", "adapt"])
    result = run_cell(experiment, None, out=str(out))
    assert result.status in ("completed", "collapsed")
    assert runs(out).groupby("stage").size().to_dict() == {"adapt": 1, "fine-tune": 1}


def test_a_model_cannot_begin_with_two_sets_of_weights(tmp_path: Path) -> None:
    with pytest.raises(InvalidExperiment, match="write `adapt: false`"):
        adapted(tmp_path / "e", init_from="0" * 16)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"data": {"path": "text.txt"}, "mask": 1.5}, "adapt.mask: must be below 1"),
        ({"data": {"path": "text.txt"}, "mas": 0.1}, "unknown key 'mas'; did you mean 'mask'"),
        ({"epochs": 1}, "adapt.data: is needed"),
        ({"data": {"path": "no.txt"}}, "no.txt does not exist"),
    ],
)
def test_a_mistake_in_the_adaptation_is_explained(tmp_path: Path, written: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidExperiment, match=reason):
        adapted(tmp_path / "e", adapt=written)


def test_a_run_can_begin_with_another_ones_weights_from_here_or_from_elsewhere(tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    plain: dict[str, Any] = {"adapt": None, "seeds": "1", "models": {"tiny": {"path": "model"}}}
    swept(adapted(tmp_path / "e", save="best", **plain), out)
    run_id = runs(out).index[0]
    longer = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-12}
    here = adapted(tmp_path / "e", init_from=run_id, train=longer, **plain)
    there = adapted(tmp_path / "e", init_from=f"{out}/{run_id}", train=longer, **plain)
    assert [run.run_id for run in resolve.grid_runs(here)] == [run.run_id for run in resolve.grid_runs(there)]
    assert swept(here, out).ran == 1
    assert swept(there, other).ran == 1
    scores = runs(out)["score"]
    assert scores.iloc[0] == scores.iloc[1] == runs(other)["score"].iloc[0]  # the head came along


def test_a_start_that_cannot_be_had_is_explained_before_anything_runs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    plain: dict[str, Any] = {"adapt": None, "seeds": "1", "models": {"tiny": {"path": "model"}}}
    with pytest.raises(UserError, match="there is no run 0000000000000000 in"):
        swept(adapted(tmp_path / "e", init_from="0" * 16, **plain), out)
    swept(adapted(tmp_path / "e", **plain), out)
    run_id = runs(out).index[0]
    with pytest.raises(UserError, match=f"without its weights: orchestrate forget {run_id} .* `save: best`"):
        swept(adapted(tmp_path / "e", init_from=run_id, **plain), out)
    with pytest.raises(InvalidExperiment, match="must be a run id"):
        adapted(tmp_path / "e", init_from="tiny:1", **plain)


@pytest.mark.parametrize(("save", "seeds", "kept"), [("best", "1", 2), ("best-per-system", "1-2", 2)])
def test_what_is_saved_is_what_was_asked_for_and_changes_no_id(
    tmp_path: Path, save: str, seeds: str, kept: int
) -> None:
    out = tmp_path / "out"
    experiment = adapted(tmp_path / "e", adapt=None, save=save, seeds=seeds)
    assert [run.run_id for run in resolve.grid_runs(experiment)] == [
        run.run_id for run in resolve.grid_runs(adapted(tmp_path / "e", adapt=None, seeds=seeds))
    ]
    swept(experiment, out)
    table = runs(out)
    saved = [run_id for run_id in table.index if Store.open(out).has_weights(run_id)]
    assert len(saved) == kept
    if save == "best-per-system":
        best = table.groupby("system")["score"].max()
        assert table.loc[saved].set_index("system")["score"].to_dict() == best.to_dict()


def test_weights_that_nobody_asked_for_are_kept_of_adaptations_only(folder: Path) -> None:
    store, stages = Store.open(folder / "out"), runs(folder / "out")["stage"]
    assert {store.has_weights(run_id) for run_id in stages.index[stages == "adapt"]} == {True}
    assert {store.has_weights(run_id) for run_id in stages.index[stages == "fine-tune"]} == {False}


def test_an_adaptation_leaves_its_last_epochs_as_models_and_no_id_changes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    one = {"models": {"tiny": {"path": "model"}}, "seeds": "1"}
    experiment = adapted(tmp_path / "e", adapt={**ADAPT, "keep_epochs": 1}, **one)
    (first,) = experiment.adaptations
    assert first.run_id == adapted(tmp_path / "e", **one).adaptations[0].run_id
    swept(experiment, out)
    store = Store.open(out)
    assert store.epoch_models(first.run_id).names() == ["epoch-0002"]
    assert store.has_weights(first.run_id)
    assert not any(store.epoch_models(run.run_id).names() for run in resolve.grid_runs(experiment))


def test_decisions_are_part_of_the_record(folder: Path) -> None:
    out = folder / "out"
    run_id = runs(out).index[0]
    record = next((out / "runs" / run_id).glob("record-*.json"))
    assert json.loads(record.read_text())["decisions"] == Store.open(out).thresholds(run_id) == {}
