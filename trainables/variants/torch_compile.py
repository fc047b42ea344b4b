"""torch.compile (Ansel et al. 2024): the model's Python is traced once and runs as generated kernels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from trainables.config import Frozen
from trainables.protocols.variant import Plan, Stage, Variant
from trainables.system import private_parts
from trainables.system.hardware import Hardware

if TYPE_CHECKING:
    from torch import nn

BUCKET = 64  # tokens: with fixed shapes, lengths up to 384 give six widths


class Options(Frozen):
    """The compiler, how hard it optimises, and the shapes it can expect."""

    backend: Literal["inductor", "aot_eager"] = Field(
        default="inductor", description="inductor: fused kernels; aot_eager: traced, but run with the usual kernels"
    )
    mode: Literal["default", "reduce-overhead", "max-autotune"] = Field(
        default="default", description="the other two capture CUDA graphs, and max-autotune also measures kernels"
    )
    shapes: Literal["dynamic", "fixed"] = Field(
        default="dynamic", description=f"fixed: one graph per shape, with widths in steps of {BUCKET} tokens"
    )
    recompile_limit: int = Field(default=64, ge=1, description="most graphs of one function; more are an error")

    @model_validator(mode="after")
    def _mode_fits(self) -> Options:
        if self.mode != "default" and self.backend != "inductor":
            raise ValueError(f"mode {self.mode} needs backend: inductor; {self.backend} has no modes")
        if self.mode != "default" and self.shapes != "fixed":
            raise ValueError(f"mode {self.mode} captures CUDA graphs: it needs shapes: fixed")
        return self


def adjust_plan(plan: Plan, options: Options) -> Plan:
    """Give every batch a mask, so that one graph serves all; with fixed shapes also few widths."""
    own = None if options.mode == "default" else f"torch_compile with mode {options.mode}"
    return plan.replace(width_multiple=BUCKET if options.shapes == "fixed" else 1, records_itself=own)


def adjust_model(model: nn.Module, options: Options) -> nn.Module:
    """Compile the forward in place: the model's class, methods and weight names stay the same."""
    mode = None if options.mode == "default" else options.mode
    model.compile(backend=options.backend, mode=mode, dynamic=options.shapes == "dynamic")
    return model


@contextmanager
def around(options: Options) -> Iterator[None]:
    """Raise RuntimeError at the recompile limit: going on uncompiled would measure the baseline under another name.

    On a CPU dropout is left uncompiled: the same masks, drawn faster than by generated code (docs/experiments.md).
    """
    import torch

    with private_parts.strict_compiling(options.recompile_limit, usual_masks=not torch.cuda.is_available()):
        try:
            yield
        except private_parts.RECOMPILE_LIMIT_HIT.get() as error:
            raise RuntimeError(
                f"torch_compile: a function was compiled {options.recompile_limit} times for new inputs; "
                "use shapes: dynamic or pad_to_max, or raise torch_compile.recompile_limit"
            ) from error


def unsupported(machine: Hardware, options: Options) -> str | None:
    """Return a reason if inductor lacks Triton (CUDA) or a C++ compiler (CPU), or if a mode lacks its CUDA device."""
    if options.backend != "inductor":
        return None
    if machine.gpus:
        return None if find_spec("triton") else "torch_compile needs the package triton; run: pip install triton"
    if options.mode != "default":
        return f"mode {options.mode} of torch_compile needs a CUDA device, here is {machine.device}"
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"torch_compile needs a C++ compiler, but there is no {compiler}; install one or use backend: aot_eager"
    return None


def inexact(options: Options) -> str | None:
    """Return a reason for inductor: its kernels depend on the shapes that were seen first."""
    return None if options.backend == "aot_eager" else "kernels are generated for the shapes that come first"


VARIANT = Variant(
    name="torch_compile",
    description="compile the model: inductor (reduce-overhead and max-autotune on CUDA) or aot_eager",
    stage=Stage.COMPILE,
    options=Options,
    excludes={"unpadding": "lengths differ from batch to batch, and each batch would be compiled anew"},
    adjust_plan=adjust_plan,
    adjust_model=adjust_model,
    around=around,
    unsupported=unsupported,
    inexact=inexact,
)
