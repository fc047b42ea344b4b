"""What a worker keeps between runs: tokenised data, split features, base weights. Only speed depends on it.

Compiled graphs live in the process, not in a run: those of one system serve all its runs, and no other's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from trainables.system import torch_private

Value = TypeVar("Value")
KEPT_PER_KIND = 4


class Warm:
    """Values by (kind, key), built at first use; of each kind the few used last are kept.

    A value must never be changed by the run that gets it: a warm run has to equal a cold one bit for bit.
    """

    def __init__(self, kept_per_kind: int = KEPT_PER_KIND) -> None:
        """Start cold."""
        self._kept = kept_per_kind
        self._values: dict[str, OrderedDict[Hashable, Any]] = {}
        self._last: dict[str, Hashable] = {}

    def get(self, kind: str, key: Hashable, build: Callable[[], Value]) -> Value:
        """The value of this key, built now if it is not there."""
        values = self._values.setdefault(kind, OrderedDict())
        if key not in values:
            values[key] = build()
        values.move_to_end(key)
        while len(values) > self._kept:
            values.popitem(last=False)
        found: Value = values[key]
        return found

    def changed(self, kind: str, key: Hashable) -> bool:
        """Whether this key is another than the one given last; the first one is not."""
        last = self._last.get(kind, key)
        self._last[kind] = key
        return last != key

    def clear(self) -> None:
        """Forget everything (after an out-of-memory, say)."""
        self._values.clear()


def drop_graphs() -> None:
    """Forget every graph that was compiled in this process; nothing where nothing ever was."""
    if torch_private.may_have_compiled():
        import torch

        torch.compiler.reset()
