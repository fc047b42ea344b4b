"""Packages that a machine without network lacks, as a folder of wheels to carry there and to install from.

A GPU image usually has torch, transformers and the scientific stack. `LACKING` is what the code that is measured
imports beyond that at module level; a test compares it with what those modules really import.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

LACKING = ("pydantic", "pydantic_core")
PYTHON = "3.12"
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")


class NoWheels(ValueError):
    """Wheels that cannot be had or installed: the message says which and what pip said."""


def download(folder: Path, python: str = PYTHON, platforms: Sequence[str] = PLATFORMS) -> list[Path]:
    """Download `LACKING`, in the versions that are installed here, and what they need. Raises NoWheels."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{name}=={version(name)}" for name in LACKING]
    _pip(*download_arguments(folder, names, python, platforms))
    return sorted(folder.glob("*.whl"))


def download_arguments(folder: Path, names: Sequence[str], python: str, platforms: Sequence[str]) -> list[str]:
    """What pip is told: wheels only, for the other machine's Python and not for this one."""
    tags = [argument for platform in platforms for argument in ("--platform", platform)]
    target = ["--python-version", python, "--implementation", "cp", "--only-binary", ":all:", *tags]
    return ["download", "--quiet", "--dest", str(folder), *target, *names]


def install(folder: Path) -> str:
    """Install every wheel of a folder into a new temporary one, which is returned. Raises NoWheels."""
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise NoWheels(f"{folder} holds no wheels; make it with --prepare")
    target = tempfile.mkdtemp(prefix="wheels-")
    options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--target", target]
    _pip("install", *options, *map(str, wheels))
    return target


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NoWheels(f"pip {arguments[0]} failed: {(ended.stderr or ended.stdout).strip()[-600:]}")
