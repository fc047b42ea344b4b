"""One, two and three workers compute the same run: real process groups on gloo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.engine.runs import tiny_run
from trainables.engine.loop import run

SCRIPT = """
import json, sys
from pathlib import Path
import torch
import torch.distributed as dist
from trainables.engine.config import RunConfig
from trainables.engine.group import Group
from trainables.engine.loop import Layout, run

torch.set_num_threads(1)
dist.init_process_group("gloo")
config = RunConfig.model_validate_json(Path(sys.argv[1]).read_text())
group = Group.current()
outcome = run(config, group=group, layout=Layout(accumulation=int(sys.argv[3])))
if group.is_main:
    predictions = outcome.predictions["predicted"].tolist()
    answer = {"world_size": group.world_size, "epochs": outcome.epochs.to_dict("list"), "predictions": predictions}
    Path(sys.argv[2]).write_text(json.dumps(answer))
dist.destroy_process_group()
"""


@pytest.mark.parametrize(("workers", "accumulation"), [(2, 1), (3, 2)])
def test_any_number_of_workers_gives_the_same_loss_curve(tmp_path: Path, workers: int, accumulation: int) -> None:
    config = tiny_run(tmp_path, count=34, variants={"length_bucketing": {}})  # 25 train: the last batch has one item
    alone = run(config)
    script, settings, answer = tmp_path / "train.py", tmp_path / "config.json", tmp_path / "answer.json"
    script.write_text(SCRIPT)
    settings.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"]
    finished = subprocess.run(
        [*command, str(script), str(settings), str(answer), str(accumulation)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    found = json.loads(answer.read_text())
    assert found["world_size"] == workers
    for column in ("train_loss", "eval_loss", "grad_norm"):
        np.testing.assert_allclose(found["epochs"][column], alone.epochs[column], rtol=1e-5)
    assert found["predictions"] == alone.predictions["predicted"].tolist()
