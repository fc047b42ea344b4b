"""One, two and three workers compute the same run: real process groups on gloo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.processes import in_processes
from tests.trainables.runs import tiny_run
from trainables.config import RunConfig
from trainables.training.distributed import ProcessGroup
from trainables.training.run import ComputeOptions, run


def work(folder: Path, rank: int, workers: int, accumulation: int) -> None:
    """One worker of the group; rank 0 writes what the run gave to `answer.json`."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=(folder / "meeting").as_uri(), rank=rank, world_size=workers)
    config = RunConfig.model_validate_json((folder / "config.json").read_text())
    group = ProcessGroup.current()
    outcome = run(config, group=group, layout=ComputeOptions(accumulation=accumulation))
    if group.is_main:
        predictions = outcome.predictions["predicted"].tolist()
        answer = {"world_size": group.world_size, "epochs": outcome.epochs.to_dict("list"), "predictions": predictions}
        (folder / "answer.json").write_text(json.dumps(answer))
    dist.destroy_process_group()


@pytest.mark.parametrize(("workers", "accumulation"), [(2, 1), (3, 2)])
def test_any_number_of_workers_gives_the_same_loss_curve(tmp_path: Path, workers: int, accumulation: int) -> None:
    config = tiny_run(tmp_path, count=34, variants={"length_bucketing": {}})  # 25 train: the last batch has one item
    alone = run(config)
    (tmp_path / "config.json").write_text(config.model_dump_json())
    in_processes(work, [(tmp_path, rank, workers, accumulation) for rank in range(workers)])
    found = json.loads((tmp_path / "answer.json").read_text())
    assert found["world_size"] == workers
    for column in ("train_loss", "eval_loss", "grad_norm"):
        np.testing.assert_allclose(found["epochs"][column], alone.epochs[column], rtol=1e-5)
    assert found["predictions"] == alone.predictions["predicted"].tolist()
