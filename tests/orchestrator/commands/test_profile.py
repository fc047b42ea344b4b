"""`orchestrate profile`: fresh processes in turn, one table, bars with their data, and what could not be measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from analysis.plotting import profile_figures
from analysis.plotting.figure import NotApplicable
from analysis.tables import profile as tables
from analysis.tables.schema import read_parquet, to_parquet_bytes
from orchestrator.cli import main
from orchestrator.commands import profile as profiling
from orchestrator.commands.profile import write
from orchestrator.config.run_spec import System
from tests.orchestrator.experiments import resolved, write_experiment


def row(system: str, round_: int, speed: float | None, **changes: Any) -> dict[str, Any]:
    """One row of a profile; without a speed the system failed."""
    names = {"system": system, "round": round_, "precision": "fp32"}
    if speed is None:
        return {**names, "result": "failed", "reason": "no room"}
    shares = {"forward_share": 0.3, "backward_share": 0.5, "optimizer_share": 0.15, "host_share": 0.05}
    measured = {"samples_per_second": speed, "peak_memory_gib": 1.5, "ceiling_operations_per_second": 1e11}
    return {**names, "result": "measured", **measured, **shares, **changes}


ROWS = [row("fast", 1, 30.0), row("fast", 2, 10.0), row("fast", 3, 20.0), row("slow", 1, 5.0), row("broken", 1, None)]


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The table of these rows as pandas reads it."""
    found: pd.DataFrame = tables.to_table(rows).to_pandas()
    return found


def test_a_summary_has_medians_over_rounds_and_their_range() -> None:
    found = tables.summary(frame(ROWS)).set_index("system")
    assert list(found.index) == ["fast", "slow", "broken"]
    assert found.loc["fast", ["samples_per_second", "samples_per_second_min", "samples_per_second_max"]].tolist() == [
        20.0, 10.0, 30.0,
    ]  # fmt: skip
    assert found["rounds"].tolist() == [3, 1, 0]
    assert found.loc["broken", ["result", "reason"]].tolist() == ["failed", "no room"]
    assert pd.isna(found.loc["broken", "samples_per_second"])


def test_a_machine_that_changes_its_speed_is_noticed_within_a_precision_only() -> None:
    other = {"precision": "bf16", "ceiling_operations_per_second": 9e11}
    assert tables.drift(frame([*ROWS, row("half", 1, 9.0, **other)])) == 0.0
    slower = row("slow", 2, 5.0, ceiling_operations_per_second=8e10)
    assert tables.drift(frame([*ROWS, slower])) == pytest.approx(0.25)
    assert tables.drift(frame([ROWS[-1]])) == 0.0


def test_the_table_survives_its_file_and_refuses_other_columns() -> None:
    table = tables.to_table(ROWS)
    assert read_parquet(to_parquet_bytes(table)).equals(table)
    with pytest.raises(ValueError, match="colour: not a column"):
        tables.to_table([{**ROWS[0], "colour": "red"}])
    with pytest.raises(pa.ArrowInvalid):
        tables.to_table([{**ROWS[0], "steps": "many"}])


def test_bars_show_every_measured_round_and_phases_sum_to_one() -> None:
    bars = profile_figures.bars(frame(ROWS))
    assert bars[bars["measure"] == "samples_per_second"]["value"].tolist() == [30.0, 10.0, 20.0, 5.0]
    assert bars.groupby("system")["place"].unique().map(list).to_dict() == {"fast": [0], "slow": [1]}
    phases = profile_figures.phases(frame(ROWS))
    assert phases.groupby("system")["share"].sum().tolist() == pytest.approx([1.0, 1.0])
    assert phases["phase"].tolist()[:4] == list(tables.PHASES)
    with pytest.raises(NotApplicable, match="no system was measured"):
        profile_figures.bars(frame([ROWS[-1]]))


def test_files_are_the_table_and_each_figure_with_its_data(tmp_path: Path) -> None:
    found = write(ROWS, str(tmp_path))
    pictures = [
        f"profile/profile_{name}.{kind}" for name in ("phases", "speed") for kind in ("csv", "pdf", "png", "svg")
    ]
    assert found == ["profile.parquet", *pictures]
    assert all((tmp_path / name).stat().st_size > 0 for name in found)
    assert write([ROWS[-1]], str(tmp_path / "other")) == ["profile.parquet"]


def test_systems_take_turns_forwards_and_backwards_and_a_broken_one_is_not_tried_again(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []

    def process(system: System, steps: int, warmup: int) -> dict[str, Any]:
        asked.append((system.name, warmup))
        return {"result": "failed", "reason": "no"} if system.name == "b" else {"result": "measured"}

    rates = {"a": 1e-3, "b": 1e-4, "c": 1e-5}
    models = {name: {"path": "model", "learning_rate": rate} for name, rate in rates.items()}
    rows = profiling.profile(resolved(tmp_path, models=models), rounds=3, steps=7, measure=process)
    assert asked == [(name, 7) for name in "abccaac"]
    assert [(found["system"], found["round"]) for found in rows] == [
        ("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("c", 2), ("c", 3),
    ]  # fmt: skip
    assert profiling.exit_code(rows) == 3
    assert profiling.exit_code([{"result": "measured"}, {"result": "unsupported"}]) == 0


def test_a_system_that_this_machine_cannot_run_is_listed_with_the_reason(tmp_path: Path) -> None:
    found = resolved(tmp_path, models={"tiny": {"path": "model"}})
    system = replace(found.systems[0], unsupported="it needs a CUDA device")
    rows = profiling.profile(replace(found, systems=(system,)), rounds=2, measure=lambda *_: pytest.fail("measured"))
    assert [(row["result"], row["reason"]) for row in rows] == [("unsupported", "it needs a CUDA device")]
    assert profiling.exit_code(rows) == 0


def test_the_command_measures_in_a_fresh_process_and_leaves_a_table_and_figures(tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path, models={"tiny": {"path": "model"}})
    out = tmp_path / "a place"
    arguments = ["profile", str(experiment), "--steps", "2", "--rounds", "1", "--out", str(out), "--json"]
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 0, ended.output
    answer = json.loads(ended.stdout)
    (measured,) = answer["profiles"]
    assert (measured["system"], measured["result"], measured["steps"]) == ("tiny", "measured", 2)
    assert measured["samples_per_second"] > 0
    assert 0 < measured["utilisation"] < 1
    assert read_parquet(out / "profile.parquet").num_rows == 1
    assert set(answer["files"]) == {path.relative_to(out).as_posix() for path in out.rglob("*.*") if path.is_file()}
    assert "round 1 tiny: measured" in ended.stderr
