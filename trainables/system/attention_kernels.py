"""Chooses the kernels of torch's `scaled_dot_product_attention` explicitly, so that torch's version does not."""

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
# Since torch 2.11 cuDNN is the first choice on H100 and H200. Its backward pass gives NaN if a mask is passed,
# the length is 64 more than a multiple of 128 and the log-sum-exp of a row is below -88.7 (pytorch issue 196678). This
# affects every other width of captured and compiled steps, which are padded to multiples of 64 and always have a mask.
# Others train as fast without it (3.69 steps per second against 3.56, kyutai-labs/pocket-tts pull request 264).
REFUSED: frozenset[Kernel] = frozenset({"cudnn"})
_DISPATCHED = "sdpa"  # transformers' name for the attention whose kernel torch chooses
_AMPERE = (8, 0)


def kernels_on(device: str, capability: tuple[int, int] | None = None) -> tuple[Kernel, ...]:
    """Return torch's kernels on "cpu", or on "cuda" of this compute capability, in the order in which it tries them."""
    if device != "cuda":
        return ("flash", "math")
    recent = capability is not None and capability >= _AMPERE
    return ("flash", "efficient", "math", "cudnn") if recent else ("efficient", "math")


def allowed(kernels: Sequence[Kernel]) -> tuple[Kernel, ...]:
    """Return the kernels that runs may compute with."""
    return tuple(kernel for kernel in kernels if kernel not in REFUSED)


def chosen_kernels(device: torch.device) -> AbstractContextManager[None]:
    """Limit a run to the allowed kernels, from its first step to its last prediction. Change nothing on a CPU."""
    return nullcontext() if device.type != "cuda" else only(allowed(tuple(BACKENDS)))


@contextmanager
def only(kernels: Sequence[Kernel]) -> Iterator[None]:
    """Let torch choose only among these kernels while the context lasts, whether it runs, captures or compiles.

    Compiled code contains its kernel, and torch caches such code on disk under a key that ignores which kernels were
    allowed. So they become part of the key.
    """
    own = f"attention by {', '.join(kernels)}"
    before = torch.compiler.config.cache_key_tag
    tag = before if before.endswith(own) else f"{before} {own}".strip()
    with sdpa_kernel([BACKENDS[kernel] for kernel in kernels]), torch.compiler.config.patch(cache_key_tag=tag):
        yield


def described(implementation: str | None, kernels: Sequence[Kernel], cudnn: int | None) -> str | None:
    """Return, for the tables, the attention of a run on a GPU with these kernels and this version of cuDNN."""
    if implementation != _DISPATCHED:
        return implementation
    refused = "no cuDNN" if cudnn is None else f"cuDNN {_version(cudnn)} off"
    return f"{implementation} ({', '.join(allowed(kernels))}; {refused})"


def attention_of(model: torch.nn.Module, device: torch.device) -> str | None:
    """Return which attention this model computes with on this device; on a CPU, only the implementation's name."""
    implementation: str | None = getattr(getattr(model, "config", None), "_attn_implementation", None)
    if device.type != "cuda":
        return implementation
    kernels = kernels_on(device.type, torch.cuda.get_device_capability(device))
    return described(implementation, kernels, torch.backends.cudnn.version())


def _version(number: int) -> str:
    """Format 91002 as 9.10.2: since cuDNN 9, major is in ten thousands and minor in hundreds."""
    major, rest = divmod(number, 10_000)
    return f"{major}.{rest // 100}.{rest % 100}"
