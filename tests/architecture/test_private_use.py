"""The check for private parts of Ray and torch sees each form of use that is planted, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.private_use import private_uses

PRIVATE_USES = {
    "a private module": "from ray._private import worker",
    "a private module by its dotted name": "import torch._dynamo",
    "a private name of a public module": "from ray.train.torch.config import _TorchBackend as Backend",
    "a module that is private for all its name": "from ray.tune.experimental import output",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ray.air._internal import config",
    "within a function": "def f():\n    from ray.train.v2._internal.callbacks import datasets",
    "an attribute": "import torch\nx = torch._C.f()",
    "an attribute of what a call returned": "from torch.library import Library\nx = Library('a', 'b')\nx._destroy()",
    "by its text": "import sys\nx = sys.modules.get('torch._dynamo')",
    "a module to run": "RAY = ('python', '-m', 'ray.scripts.scripts')",
    "an attribute by its text": "import ray\nx = getattr(ray, '_config')",
    "of a base": "from ray.train.torch import TorchTrainer\nclass A(TorchTrainer):\n    x = super()._callbacks",
    "a patch": "import ray\nray.init = print",
    "a patch of an imported name": "from ray.tune import Tuner as T\ndef f():\n    T.fit, x = print, 1",
    "a patch by text": "import torch\nsetattr(torch.nn, 'Linear', print)",
    "a patch that takes away": "import torch\ndel torch.nn.Linear",
    "a patch of a module by its text": "import importlib\nx = importlib.import_module('torch.nn')\nx.f = print",
}
PUBLIC_USES = {
    "a public name": "from ray.train import RunConfig\nimport torch\nx = torch.nn.Linear(1, 2)",
    "what a call returned is changed": "import torch\nx = torch.zeros(2)\nx.requires_grad = True",
    "a setting": "import torch\nx = torch.backends.cuda.matmul\nx.fp32_precision = 'tf32'",
    "a version": "import torch\nx = torch.__version__",
    "a function with a module's name": "from torch.distributed import rendezvous\nx = rendezvous('env://')",
    "what is private of ours": "from trainables.tasks import _masking\nx = _masking._f",
    "a text that speaks of it": "x = 'ray._private moved'",
}


@pytest.mark.parametrize("text", PRIVATE_USES.values(), ids=PRIVATE_USES)
def test_a_planted_use_of_a_private_part_is_seen(text: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(text, encoding="utf-8")
    (use,) = private_uses(tmp_path / "planted.py")
    assert use.startswith(f"{len(text.splitlines())}: "), use


@pytest.mark.parametrize("text", PUBLIC_USES.values(), ids=PUBLIC_USES)
def test_what_ray_and_torch_promise_may_be_used_anywhere(text: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(text, encoding="utf-8")
    assert private_uses(tmp_path / "planted.py") == []
