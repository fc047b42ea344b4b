"""Tries every attention kernel on its own, forward and backward, on the kind of inputs that kernels have failed on.

`run_all` takes `{"models": [ModelConfig, ...], "lengths": [...], "precisions": [...]}` and yields one result per trial.
It is called in a fresh process (`system/fresh_process.py`), so that a kernel that breaks the device breaks nothing
else. Tensors: B rows, L tokens, H heads, D the size of a head.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch.nn.functional import scaled_dot_product_attention

from trainables.config import ModelConfig, Precision
from trainables.modeling.hf_errors import first_line
from trainables.modeling.pretrained import ModelError, ModelSource
from trainables.system.attention_kernels import REFUSED, Kernel, kernels_on, only
from trainables.system.hardware import this_machine
from trainables.system.precision import DTYPES
from trainables.training.distributed import ProcessGroup

Result = Literal["finite", "not finite", "inaccurate", "out of memory", "failed", "not here"]
ROWS, HEADS, DROPOUT = 2, 4, 0.1
LOW = -120.0  # every score of a row with very low scores; float32 exp overflows from 88.7 on (pytorch issue 196678)
TOLERANCE = {"fp32": 0.01, "bf16": 0.05, "fp16": 0.02}  # of the L2 norm: beyond rounding, the numbers are wrong
PARTS = ("output", "gradient of the query", "gradient of the key", "gradient of the value")
_LABELS = ("A", "B")  # any two
_ABSENT = re.compile(r"No (available kernel|viable backend)")  # torch has no such kernel for these inputs


@dataclass(frozen=True)
class KernelTrial:
    """One kernel at one length, tried with and without a mask, with scores around 0 and with very low ones."""

    kernel: Kernel
    head_size: int
    length: int
    precision: Precision
    dropout: float


@dataclass(frozen=True)
class Fault:
    """What is wrong, as a result and as a sentence."""

    result: Result
    reason: str


_NO_KERNEL = Fault("not here", "torch has no such kernel for these inputs")


@dataclass(frozen=True)
class Inputs:
    """Query, key, value and the gradient of the output, [B, L, H, D]; the attention mask, [B, 1, L, L] (None: all)."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    gradient: torch.Tensor
    mask: torch.Tensor | None
    low: bool

    @classmethod
    def of(cls, trial: KernelTrial, low: bool, masked: bool, device: torch.device) -> Inputs:
        """Draw random numbers; with a mask, the last row sees three quarters of its tokens."""
        generator = torch.Generator().manual_seed(trial.length)
        shape = (ROWS, trial.length, HEADS, trial.head_size)
        query, key, value, gradient = (torch.randn(shape, generator=generator) for _ in range(4))
        if low:
            query, key = query * 0.1, key * 0.1
            query[..., 0], key[..., 0] = 1.0, LOW * math.sqrt(trial.head_size)
        mask = torch.ones(ROWS, 1, trial.length, trial.length, dtype=torch.bool)
        mask[-1, ..., max(1, trial.length * 3 // 4) :] = False
        dtype = DTYPES.get(trial.precision, torch.float32)
        four = (tensor.to(device, dtype) for tensor in (query, key, value, gradient))
        return cls(*four, mask.to(device) if masked else None, low)


def attend(kernel: Kernel, inputs: Inputs, dropout: float) -> tuple[torch.Tensor, ...] | None:
    """Return output and gradients of this kernel, laid out as in models; None if torch has none for these inputs."""
    leaves = [tensor.detach().requires_grad_() for tensor in (inputs.query, inputs.key, inputs.value)]
    query, key, value = (leaf.transpose(1, 2) for leaf in leaves)
    try:
        with only((kernel,)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about every reason why a kernel is not available
            output = scaled_dot_product_attention(query, key, value, attn_mask=inputs.mask, dropout_p=dropout)
    except RuntimeError as error:
        if _ABSENT.search(str(error)):
            return None
        raise
    return _with_gradients(output.transpose(1, 2), leaves, inputs)


def reference(inputs: Inputs) -> tuple[torch.Tensor, ...]:
    """Return output and gradients from matrix products and softmax in float32."""
    leaves = [tensor.detach().float().requires_grad_() for tensor in (inputs.query, inputs.key, inputs.value)]
    query, key, value = (leaf.transpose(1, 2) for leaf in leaves)
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if inputs.mask is not None:
        scores = scores.masked_fill(~inputs.mask, -math.inf)
    return _with_gradients((scores.softmax(-1) @ value).transpose(1, 2), leaves, inputs)


def _with_gradients(output: torch.Tensor, leaves: list[torch.Tensor], inputs: Inputs) -> tuple[torch.Tensor, ...]:
    gradients = torch.autograd.grad(output, leaves, inputs.gradient.to(output.dtype))
    return (output.detach(), *gradients)


def fault(actual: Sequence[torch.Tensor], expected: Sequence[torch.Tensor] | None, tolerance: float) -> Fault | None:
    """Return what is wrong with output and gradients, or None. Without `expected` they only need to be finite."""
    for part, tensor in zip(PARTS, actual, strict=True):
        if not bool(torch.isfinite(tensor).all()):
            what = "NaN" if bool(torch.isnan(tensor).any()) else "infinite values"
            return Fault("not finite", f"{what} in the {part}")
    for part, tensor, right in zip(PARTS, actual, expected or (), strict=expected is not None):
        error = float((tensor.float() - right).norm() / right.norm())
        if error > tolerance:
            return Fault("inaccurate", f"error of {error:.1%} in the {part}")
    return None


def attempt(trial: KernelTrial, device: torch.device) -> Fault | None:
    """Return the first fault on four kinds of inputs; "not here" if the kernel takes none of them."""
    absent = []
    for low, masked in itertools.product((False, True), (False, True)):
        problem = _attempt(trial, Inputs.of(trial, low, masked, device))
        if problem is not None and problem is not _NO_KERNEL:
            where = f"{'with' if masked else 'without'} a mask{' and with very low scores' if low else ''}"
            return Fault(problem.result, f"{problem.reason} {where}")
        absent.append(problem is _NO_KERNEL)
    return _NO_KERNEL if all(absent) else None


def _attempt(trial: KernelTrial, inputs: Inputs) -> Fault | None:
    try:
        actual = attend(trial.kernel, inputs, trial.dropout)
    except (MemoryError, torch.OutOfMemoryError) as error:
        return Fault("out of memory", first_line(error))
    except RuntimeError as error:
        return Fault("failed", first_line(error))
    if actual is None:
        return _NO_KERNEL
    exact = None if inputs.low or trial.dropout else reference(inputs)
    return fault(actual, exact, TOLERANCE[trial.precision])


def head_size(configuration: Any) -> int | None:
    """Return the width of one attention head; None for a model without heads."""
    size = getattr(configuration, "head_dim", None)
    heads, width = (getattr(configuration, name, None) for name in ("num_attention_heads", "hidden_size"))
    return int(size) if size else int(width) // int(heads) if heads and width else None


def trials(
    device: torch.device, sizes: Sequence[int], lengths: Sequence[int], precisions: Sequence[Precision]
) -> Iterator[KernelTrial]:
    """Yield every kernel of the device at every length, with and without dropout; the least trusted kernel last."""
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    kernels = kernels_on(device.type, capability)
    for kernel, size, precision, length in itertools.product(kernels, sizes, precisions, sorted(lengths)):
        for dropout in (0.0, DROPOUT):
            yield KernelTrial(kernel, size, length, precision, dropout)


def run_trial(trial: KernelTrial, device: torch.device) -> dict[str, Any]:
    """Return a trial with its result, ready for JSON; `allowed` says whether runs compute with this kernel."""
    machine = this_machine()
    if machine.supports(trial.precision):
        outcome = attempt(trial, device) or Fault("finite", "")
    else:
        outcome = Fault("not here", f"{machine.device} does not compute in {trial.precision} natively")
    result = {"result": outcome.result, "reason": outcome.reason or None, "allowed": trial.kernel not in REFUSED}
    return {**asdict(trial), **result}


def head_sizes(configs: Sequence[ModelConfig]) -> tuple[list[int], list[dict[str, Any]]]:
    """Return the distinct head sizes of these models, and a result for each model that cannot be read."""
    sizes, unread = set[int](), []
    for config in configs:
        try:
            size = head_size(ModelSource(config).configuration(_LABELS))
        except (ModelError, OSError, ValueError, ImportError) as error:
            what = {"result": "failed", "reason": first_line(error), "allowed": True}
            unread.append({"kernel": "-", "head_size": 0, "length": 0, "precision": "-", "dropout": 0.0, **what})
        else:
            sizes |= {size} if size is not None else set()
    return sorted(sizes), unread


def run_all(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the result of each trial as it ends."""
    device = ProcessGroup.current().device
    configs = [ModelConfig.model_validate_json(json.dumps(model)) for model in request["models"]]
    sizes, unread = head_sizes(configs)
    yield from unread
    for trial in trials(device, sizes, request["lengths"], request["precisions"]):
        yield run_trial(trial, device)
