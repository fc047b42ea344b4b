"""Compiled graphs live in the process, not in a run: those of one system serve all its runs, and no other's."""

from __future__ import annotations

import sys


def drop_graphs() -> None:
    """Forget every graph that was compiled in this process; nothing where nothing ever was."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is not None:
        dynamo.reset()
