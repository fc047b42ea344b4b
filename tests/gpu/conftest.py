"""Where these tests run: on the CUDA device, or rehearsed on the processor, as far as a processor can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import Family, tiny_model

REHEARSAL = "ORCHESTRATE_REHEARSE"  # set to 1: the processor is the device
FAMILIES: tuple[Family, ...] = ("bert", "roberta", "modernbert", "deberta-v2", "qwen2")
SIZES: dict[str, Any] = {  # heads of 64, which every kernel of attention takes, and weights that make them attend
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 256,
    "max_position_embeddings": 640,
    "initializer_range": 0.05,
}


@pytest.fixture(autouse=True, scope="session")
def device() -> Iterator[torch.device]:
    """What the tests compute on; without it they skip. A rehearsal takes one thread: what it computes is small."""
    if os.environ.get(REHEARSAL) == "1":
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield torch.device("cpu")
        torch.set_num_threads(threads)
    elif torch.cuda.is_available():
        yield torch.device("cuda", torch.cuda.current_device())
    else:
        pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def place(device: torch.device, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model of each family, under its name; runs write their data beside them."""
    folder = tmp_path_factory.mktemp("gpu")
    for family in FAMILIES:
        tiny_model(folder / family, family, **SIZES)
    return folder
