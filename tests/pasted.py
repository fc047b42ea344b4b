"""What a shell makes of lines that are pasted into it: the commands of ours that it would start, word for word."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SHELL = "orchestrate() { printf '%s\\0' \"$@\" '' >> calls; }\n"  # no word of a command of ours is empty


def pasted(block: str, folder: Path) -> list[list[str]]:
    """Paste into bash in that folder, where `orchestrate` only writes down its arguments; those of every call."""
    subprocess.run(["bash", "-eu"], input=_SHELL + block, text=True, cwd=folder, check=True)
    written = (folder / "calls").read_text(encoding="utf-8")
    return [call.split("\0") for call in written.removesuffix("\0\0").split("\0\0")]
