"""Describes this machine's hardware: its name for the tables and its precisions; asks the system, never torch.

If this machine only leads a cluster, `ORCHESTRATE_GPUS` says what runs train on: the number of GPUs, and one of them as
nvidia-smi describes it, with name, compute capability and MiB of memory: `8 x NVIDIA B200, 10.0, 183359`.
"""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from trainables.config import Precision

_BF16_CAPABILITY = 8.0  # Ampere; older cards emulate bfloat16 slower than float32
_FP16_CAPABILITY = 5.3
_FP16_CORES_CAPABILITY = 7.0  # Volta, the first with float16 cores that accumulate in float32; before, fp32 is as fast
_ELSEWHERE = "ORCHESTRATE_GPUS"


@dataclass(frozen=True)
class Gpu:
    """One CUDA device as the driver describes it; `memory_gib` is its total."""

    name: str
    capability: float
    memory_gib: float


@dataclass(frozen=True)
class Hardware:
    """The processor and the GPUs of one machine, without host names."""

    cpu: str
    cpu_flags: frozenset[str]
    gpus: tuple[Gpu, ...]

    def supports(self, precision: Precision) -> bool:
        """Return whether the device that trains (the GPUs if there are any, else the CPU) computes in it natively."""
        if precision == "fp32":
            return True
        if self.gpus:
            needed = _BF16_CAPABILITY if precision == "bf16" else _FP16_CAPABILITY
            return min(gpu.capability for gpu in self.gpus) >= needed
        return precision == "bf16" and bool(self.cpu_flags & {"avx512_bf16", "amx_bf16"})

    @property
    def automatic(self) -> Precision:
        """What `auto` means here: bf16 if it is native, fp16 on cards with cores for it, else fp32."""
        if self.supports("bf16"):
            return "bf16"
        has_cores = bool(self.gpus) and min(gpu.capability for gpu in self.gpus) >= _FP16_CORES_CAPABILITY
        return "fp16" if has_cores else "fp32"

    @property
    def device(self) -> str:
        """The name of the device that trains here."""
        return self.gpus[0].name if self.gpus else self.cpu


@functools.cache
def this_machine() -> Hardware:
    """Return the hardware of this machine, read once per process."""
    return Hardware(*_processor(), _gpus())


def training_hardware() -> Hardware:
    """Return the hardware that runs train on: this machine, or one with the GPUs that `ORCHESTRATE_GPUS` names.

    Raises ValueError if the variable does not have the form described above.
    """
    declared = os.environ.get(_ELSEWHERE, "").strip()
    if not declared:
        return this_machine()
    number, _, description = declared.partition(" x ")
    gpu = _gpu(description)
    if gpu is None or not number.isdecimal() or number == "0":
        raise ValueError(f"{_ELSEWHERE} is {declared!r}; it should look like '8 x NVIDIA B200, 10.0, 183359'")
    return replace(this_machine(), gpus=(gpu,) * int(number))


def hardware_name(device: str) -> str:
    """Return the name of the processor ("cpu") or of the first GPU ("cuda")."""
    machine = this_machine()
    return machine.device if device == "cuda" else machine.cpu


def _processor() -> tuple[str, frozenset[str]]:
    information = Path("/proc/cpuinfo")
    name, flags = platform.processor() or platform.machine(), frozenset[str]()
    if not information.is_file():
        return name, flags
    for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        if key.strip() in ("flags", "Features"):
            flags = frozenset(value.split())
        if not line.strip():
            break
    return name, flags


def _gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that this process may use; an empty `CUDA_VISIBLE_DEVICES` means none."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return ()
    command = ["nvidia-smi", "--query-gpu=name,compute_cap,memory.total", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(gpu for line in output.splitlines() if (gpu := _gpu(line)) is not None)


def _gpu(line: str) -> Gpu | None:
    cells = [cell.strip() for cell in line.rsplit(",", 2)]
    try:
        return Gpu(cells[0], float(cells[1]), float(cells[2]) / 1024)
    except (ValueError, IndexError):
        return None
