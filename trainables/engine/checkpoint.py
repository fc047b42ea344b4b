"""Checkpoints: everything a run needs to go on as if it had never stopped, verified by hashes before use.

A checkpoint is a folder `step-<n>`: tensors (safetensors), state (JSON), and a manifest with the SHA-256 of both,
written last. Two are kept. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load, save

from trainables.engine.folder import Folder

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

    def due(self) -> bool:
        """True when the last checkpoint (or the start) lies longer back than the interval."""
        return self._folder is not None and time.monotonic() - self._last >= self._seconds_between

    def save(self, step: int, snapshot: Snapshot) -> bool:
        """Write a checkpoint, then drop all but the newest two. Returns whether it could be written.

        A full disk costs the checkpoint, never the run: the previous one stays.
        """
        if self._folder is None:
            return False
        self._last = time.monotonic()
        target = self._folder.child(f"step-{step:09d}")
        try:
            self._write(target, snapshot)
        except OSError as error:
            logger.warning("no checkpoint at step %d: %s cannot be written (%s)", step, target.uri, error)
            self._folder.delete(f"step-{step:09d}")
            return False
        for old in self._steps()[:-KEPT]:
            self._folder.delete(old)
        return True

    def newest(self) -> Snapshot | None:
        """The newest checkpoint whose hashes hold; damaged ones are reported and passed over."""
        for name in reversed(self._steps()):
            assert self._folder is not None
            try:
                return _read(self._folder.child(name))
            except (OSError, ValueError, KeyError) as error:
                logger.warning("checkpoint %s is damaged (%s); trying the one before", name, error)
        return None

    def clear(self) -> None:
        """Remove them all: the run has its record."""
        for name in self._steps():
            assert self._folder is not None
            self._folder.delete(name)

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
