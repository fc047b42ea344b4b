"""Checkpoints: everything a run needs to go on as if it had never stopped, verified by hashes before use.

A checkpoint is a folder `step-<n>`: tensors (safetensors), state (JSON), and a manifest with the SHA-256 of both,
written last. Two are kept. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load, save

from analysis.tables.folder import Folder

logger = logging.getLogger(__name__)
KEPT = 2
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"


@dataclass(frozen=True)
class Snapshot:
    """Tensors by name, and the rest as plain JSON values."""

    tensors: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one run in one folder."""

    def __init__(self, folder: Folder | None, seconds_between: float) -> None:
        """Without a folder nothing is ever saved."""
        self._folder = folder
        self._seconds_between = seconds_between
        self._last = time.monotonic()
        self._order = self._steps()

    def due(self) -> bool:
        """True when the last checkpoint (or the start) lies longer back than the interval."""
        return self._folder is not None and time.monotonic() - self._last >= self._seconds_between

    def save(self, step: int, snapshot: Snapshot) -> bool:
        """Write a checkpoint, then drop all but the two written last. Returns whether it could be written.

        A full disk costs the checkpoint, never the run: the previous one stays.
        """
        if self._folder is None:
            return False
        self._last = time.monotonic()
        name = f"step-{step:09d}"
        target = self._folder.child(name)
        try:
            self._write(target, snapshot)
        except OSError as error:
            logger.warning("no checkpoint at step %d: %s cannot be written (%s)", step, target.uri, error)
            self._drop(name)
            return False
        self._written_last(name)
        for old in self._order[:-KEPT]:
            self._drop(old)
        self._order = self._order[-KEPT:]
        return True

    def newest(self, why_not: Callable[[Snapshot], str | None] = lambda snapshot: None) -> Snapshot | None:
        """The newest checkpoint whose hashes hold and that nothing speaks against.

        Damaged and refused ones are reported and passed over; the ones that are written now outlast them.
        """
        for name in reversed(self._steps()):
            assert self._folder is not None
            try:
                found = _read(self._folder.child(name))
            except (OSError, ValueError, KeyError) as error:
                logger.warning("checkpoint %s is damaged (%s); trying the one before", name, error)
                continue
            reason = why_not(found)
            if reason is None:
                self._written_last(name)
                return found
            logger.warning("checkpoint %s is not used: %s", name, reason)
        return None

    def clear(self) -> None:
        """Remove them all: the run has its record. One that cannot be removed is left, and said."""
        for name in self._steps():
            self._drop(name)

    def _written_last(self, name: str) -> None:
        self._order = [*(other for other in self._order if other != name), name]

    def _drop(self, name: str) -> None:
        assert self._folder is not None
        try:
            self._folder.delete(name)
        except OSError as error:
            logger.warning("checkpoint %s cannot be removed (%s)", name, error)

    def _steps(self) -> list[str]:
        if self._folder is None:
            return []
        return sorted(name for name in self._folder.names() if name.startswith("step-"))

    @staticmethod
    def _write(target: Folder, snapshot: Snapshot) -> None:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in snapshot.tensors.items()}
        files = {TENSORS: save(tensors), STATE: json.dumps(snapshot.state).encode()}
        for name, data in files.items():
            target.write(name, data)
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        target.write(MANIFEST, json.dumps(hashes).encode())


def _read(source: Folder) -> Snapshot:
    hashes = json.loads(source.read(MANIFEST))
    files = {name: source.read(name) for name in (TENSORS, STATE)}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != hashes[name]:
            raise ValueError(f"{name} does not have the hash of its manifest")
    return Snapshot(load(files[TENSORS]), json.loads(files[STATE]))
