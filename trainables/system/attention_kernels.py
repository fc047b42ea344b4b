"""Which kernels of torch's `scaled_dot_product_attention` compute: chosen here on purpose, not by torch's version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
import torch.compiler.config
from torch.nn.attention import SDPBackend, sdpa_kernel

Kernel = Literal["flash", "efficient", "math", "cudnn"]
BACKENDS: dict[Kernel, SDPBackend] = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}
# Since torch 2.11 cuDNN's is the first choice on H100 and H200. Its backward pass gives NaN where a mask is passed, the
# length is 64 more than a multiple of 128 and the log-sum-exp of a row is below -88.7 (pytorch issue 196678): every
# other width of recorded and compiled steps, which are padded to multiples of 64 and always have a mask. Without it
# others train at the same speed (3.69 steps a second against 3.56, kyutai-labs/pocket-tts pull request 264).
REFUSED: frozenset[Kernel] = frozenset({"cudnn"})
_DISPATCHED = "sdpa"  # transformers' name for the attention that torch finds a kernel for
_AMPERE = (8, 0)


def kernels_on(device: str, capability: tuple[int, int] | None = None) -> tuple[Kernel, ...]:
    """The kernels that torch has on "cpu", or on "cuda" of this compute capability, in the order it tries them."""
    if device != "cuda":
        return ("flash", "math")
    recent = capability is not None and capability >= _AMPERE
    return ("flash", "efficient", "math", "cudnn") if recent else ("efficient", "math")


def allowed(kernels: Sequence[Kernel]) -> tuple[Kernel, ...]:
    """Those of the kernels that runs compute with."""
    return tuple(kernel for kernel in kernels if kernel not in REFUSED)


def chosen_kernels(device: torch.device) -> AbstractContextManager[None]:
    """What runs compute within, from the first step to the last prediction. On a processor it changes nothing."""
    return nullcontext() if device.type != "cuda" else only(allowed(tuple(BACKENDS)))


@contextmanager
def only(kernels: Sequence[Kernel]) -> Iterator[None]:
    """Let torch choose among these kernels alone while the context lasts, whether it runs, records or compiles.

    Compiled code has its kernel in it, and torch keeps such code on disk under a key that says nothing of the kernels
    that were allowed. So they become part of the key.
    """
    own = f"attention by {', '.join(kernels)}"
    before = torch.compiler.config.cache_key_tag
    tag = before if before.endswith(own) else f"{before} {own}".strip()
    with sdpa_kernel([BACKENDS[kernel] for kernel in kernels]), torch.compiler.config.patch(cache_key_tag=tag):
        yield


def described(implementation: str | None, kernels: Sequence[Kernel], cudnn: int | None) -> str | None:
    """The attention of a run on a GPU that has these kernels and this version of cuDNN, for the tables."""
    if implementation != _DISPATCHED:
        return implementation
    refused = "no cuDNN" if cudnn is None else f"cuDNN {_version(cudnn)} off"
    return f"{implementation} ({', '.join(allowed(kernels))}; {refused})"


def attention_of(model: torch.nn.Module, device: torch.device) -> str | None:
    """Which attention this model computes with on this device. On a processor: the implementation's name alone."""
    implementation: str | None = getattr(getattr(model, "config", None), "_attn_implementation", None)
    if device.type != "cuda":
        return implementation
    kernels = kernels_on(device.type, torch.cuda.get_device_capability(device))
    return described(implementation, kernels, torch.backends.cudnn.version())


def _version(number: int) -> str:
    """91002 as 9.10.2: ten thousands and hundreds, since cuDNN 9."""
    major, rest = divmod(number, 10_000)
    return f"{major}.{rest // 100}.{rest % 100}"
