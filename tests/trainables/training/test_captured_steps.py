"""Recorded steps: the same training as launched steps, whatever shapes come in whatever order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainables.data.test_batch_loader import features
from tests.trainables.runs import tiny_run
from trainables.config import RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.protocols.variant import Compute
from trainables.training.distributed import ProcessGroup
from trainables.training.optimizer import CapturedSteps
from trainables.training.run import ComputeOptions, run

REPLAYS = '''
"""The steps of a run, recorded by a recorder that computes them anew from the tensors it recorded."""
from trainables.config import Frozen
from trainables.protocols.variant import Stage, Variant


class Options(Frozen):
    """None."""


def record(compute):
    return compute


VARIANT = Variant("replays", "replays", Stage.STEP, Options, adjust_plan=lambda plan, options: plan.replace(
    recorder=record, width_multiple=8))
'''


def numbers(values: list[float]) -> dict[str, torch.Tensor]:
    """Inputs of a step."""
    return {"values": torch.tensor(values)}


def test_a_shape_is_recorded_when_it_comes_again_and_replays_read_new_inputs() -> None:
    recorded: list[Compute] = []

    def record(compute: Compute) -> Compute:
        recorded.append(compute)
        return compute

    steps = CapturedSteps(lambda inputs, scale: (inputs["values"].sum() * scale, scale), record)
    found = [
        steps.step(numbers(values), scale)[0].item()
        for values, scale in (
            ([1.0, 2.0], 1.0),
            ([3.0], 1.0),
            ([1.0, 1.0], 0.5),
            ([4.0, 4.0], 2.0),
            ([5.0], 3.0),
            ([6.0], 1.0),
        )
    ]
    assert found == [3.0, 3.0, 1.0, 16.0, 15.0, 6.0]
    assert len(recorded) == 2


def test_a_run_of_recorded_steps_is_the_run_of_launched_ones(tmp_path: Path) -> None:
    (tmp_path / "replays.py").write_text(REPLAYS, encoding="utf-8")
    variants = {str(tmp_path / "replays.py"): {}}
    plain, recorded = run(tiny_run(tmp_path)), run(tiny_run(tmp_path, variants=variants))
    assert recorded.epochs["train_loss"].tolist() == pytest.approx(plain.epochs["train_loss"].tolist(), rel=1e-4)
    assert recorded.epochs["grad_norm"].tolist() == pytest.approx(plain.epochs["grad_norm"].tolist(), rel=1e-3)


def test_a_step_in_parts_cannot_be_recorded(tmp_path: Path) -> None:
    (tmp_path / "replays.py").write_text(REPLAYS, encoding="utf-8")
    config: RunConfig = tiny_run(tmp_path, variants={str(tmp_path / "replays.py"): {}})
    with pytest.raises(ValueError, match="use one worker per run and no accumulation"):
        run(config, group=ProcessGroup.current(torch.device("cpu")), layout=ComputeOptions(accumulation=2))


def test_widths_in_steps_give_few_shapes_and_never_pass_the_longest_item_allowed() -> None:
    loader = BatchLoader(features(), torch.device("cpu"), multiple=3, longest=5)
    assert loader.lengths.tolist() == [3, 2, 4]
    assert loader.widths.tolist() == [3, 3, 5]
    assert loader.batch(np.array([0, 1]))["input_ids"].tolist() == [[101, 7, 102], [101, 102, 0]]
    assert loader.batch(np.array([0]))["attention_mask"].tolist() == [[1, 1, 1]]
