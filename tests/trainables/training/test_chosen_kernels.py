"""A run computes attention with the kernels that it was given, whatever torch would choose, and nobody else does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from torch.backends import cuda

from tests.trainables.runs import tiny_run
from trainables.system.attention_kernels import Kernel, allowed, chosen_kernels, described, kernels_on, only
from trainables.training.run import run
from trainables.training.setup import settings_of_process

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def enabled() -> dict[Kernel, bool]:
    """What torch may choose from now."""
    return {
        "flash": cuda.flash_sdp_enabled(),
        "efficient": cuda.mem_efficient_sdp_enabled(),
        "math": cuda.math_sdp_enabled(),
        "cudnn": cuda.cudnn_sdp_enabled(),
    }


@pytest.mark.parametrize(
    ("device", "capability", "expected"),
    [
        ("cpu", None, ("flash", "math")),
        ("cuda", (7, 5), ("efficient", "math")),
        ("cuda", (8, 0), ("flash", "efficient", "math", "cudnn")),
        ("cuda", (10, 0), ("flash", "efficient", "math", "cudnn")),
    ],
)
def test_a_device_has_the_kernels_that_torch_has_for_it(
    device: str, capability: tuple[int, int] | None, expected: tuple[Kernel, ...]
) -> None:
    assert kernels_on(device, capability) == expected
    assert allowed(kernels_on(device, capability)) == tuple(name for name in expected if name != "cudnn")


def test_a_run_on_a_gpu_computes_without_cudnn_s_attention_and_leaves_torch_as_it_was() -> None:
    before, tag = enabled(), torch.compiler.config.cache_key_tag
    with settings_of_process(GPU, ()):
        assert enabled() == {"flash": True, "efficient": True, "math": True, "cudnn": False}
        inside = torch.compiler.config.cache_key_tag
        with chosen_kernels(GPU):  # an evaluation in the middle of training
            assert torch.compiler.config.cache_key_tag == inside != tag
        assert not cuda.cudnn_sdp_enabled()
    with pytest.raises(KeyError), settings_of_process(GPU, ()):
        raise KeyError
    assert (enabled(), torch.compiler.config.cache_key_tag) == (before, tag)


def test_on_a_processor_nothing_is_set() -> None:
    before, tag = enabled(), torch.compiler.config.cache_key_tag
    with settings_of_process(CPU, ()), chosen_kernels(CPU):
        assert (enabled(), torch.compiler.config.cache_key_tag) == (before, tag)


def test_the_tables_say_which_kernels_and_which_cudnn() -> None:
    hopper, turing = kernels_on("cuda", (9, 0)), kernels_on("cuda", (7, 5))
    assert described("sdpa", hopper, 91002) == "sdpa (flash, efficient, math; cuDNN 9.10.2 off)"
    assert described("sdpa", turing, 92600) == "sdpa (efficient, math; cuDNN 9.26.0 off)"
    assert described("sdpa", hopper, None) == "sdpa (flash, efficient, math; no cuDNN)"
    for other in ("eager", "flash_attention_2", None):
        assert described(other, hopper, 91002) == other


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_a_run_on_a_processor_is_recorded_with_the_plain_name(tmp_path: Path, implementation: str) -> None:
    config = tiny_run(tmp_path, variants={"attention": {"implementation": implementation}}, epochs=1)
    assert run(config).columns["attention"] == implementation


@pytest.fixture
def fresh_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of compiled code that nobody else has written to, and no graph in this process before or after."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()
    counters.clear()


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inductor's own
def test_code_compiled_under_other_kernels_is_not_taken_from_torch_s_cache(fresh_graphs: None) -> None:
    def attention(inputs: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(inputs, inputs, inputs)

    def hits(kernel: Kernel) -> int:
        torch._dynamo.reset()
        counters.clear()
        compiled: Any = torch.compile(attention)
        with only((kernel,)):
            compiled(torch.ones(1, 2, 8, 4, requires_grad=True)).sum().backward()
        return int(counters["aot_autograd"]["autograd_cache_hit"])

    assert [hits("flash"), hits("flash"), hits("math"), hits("math")] == [0, 1, 0, 1]
