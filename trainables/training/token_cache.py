"""Caches between runs: tokenised data as memory maps, one per node; other values such as base weights, per worker.

Memory maps are named by their content and shared by every worker of the node. Only speed depends on these caches.
Compiled graphs belong to the process, not to a run: one system's graphs serve all its runs, but no other system's.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from trainables.config import ModelConfig
from trainables.data.dataset import Corpus
from trainables.data.features import Array, Features, Ragged
from trainables.protocols.task import Task
from trainables.system import private_parts
from trainables.system.disk_cache import cache_folder, file_sha256, files_sha256, node_lock, text_sha256

logger = logging.getLogger(__name__)

LAYOUT = 3  # increase it whenever these files change their meaning
_HEADER = "header.json"
_TOKENIZER_FILES = (
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "chat_template*"),
    *("vocab*", "merges.txt", "*.model"),
)


class DamagedCache(ValueError):
    """A cached directory whose files do not match its header."""


def load_features(
    task: Task,
    corpus: Corpus,
    model: ModelConfig,
    labels: Sequence[str],
    max_length: int,
    cache_dir: Path | None = None,
) -> Features:
    """Return a corpus's features for one tokenizer and length, read-only, tokenising them if no worker here has yet.

    A damaged cache is rebuilt. If it cannot be written, features are not cached.
    """
    root = (cache_dir or cache_folder()) / "tokens"
    folder = root / _key(task, corpus, model, labels, max_length)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with node_lock(folder.with_suffix(".lock")):
            if not _is_sound(folder):
                _write(_encode(task, corpus, model, labels, max_length), folder)
            return _read(folder)
    except OSError as error:
        logger.warning("tokens are not cached: %s: %s", error.filename or folder, error.strerror or error)
        return _encode(task, corpus, model, labels, max_length)


def _encode(task: Task, corpus: Corpus, model: ModelConfig, labels: Sequence[str], max_length: int) -> Features:
    from trainables.modeling.tokenizer import load_tokenizer, training_texts

    tokenizer = load_tokenizer(model, partial(training_texts, corpus))
    return task.encode(corpus.items, tokenizer, labels, max_length)


def _key(task: Task, corpus: Corpus, model: ModelConfig, labels: Sequence[str], max_length: int) -> str:
    """Hash everything that the tokens depend on, including the task's code and the tokenizer library's version."""
    parts = {
        "corpus": corpus.fingerprint,
        "items": len(corpus.items),
        "task": [task.name, *_code_hashes(task), task.options.model_dump(mode="json")],
        "tokenizer": [_tokenizer_identity(model), model.tokenizer],
        "labels": list(labels),
        "max_length": max_length,
        "layout": LAYOUT,
        "versions": [version("tokenizers"), version("transformers")],
    }
    return text_sha256(json.dumps(parts, sort_keys=True))[:32]


def _code_hashes(task: Task) -> list[str]:
    """Hash the task's module and the private modules beside it, which may hold parts of its encoding."""
    source = inspect.getsourcefile(type(task))
    if source is None:
        return []
    return [file_sha256(path) for path in (Path(source), *sorted(Path(source).parent.glob("_*.py")))]


def _tokenizer_identity(model: ModelConfig) -> str:
    folder = Path(model.source)
    if not folder.is_absolute():
        return f"{model.source}@{model.revision}"
    files = {path for pattern in _TOKENIZER_FILES for path in folder.glob(pattern) if path.is_file()}
    return files_sha256(files, folder)


def _arrays(features: Features) -> dict[str, Array]:
    arrays: dict[str, Array] = {"item": features.item, "terms": features.terms}
    arrays |= {f"counts.{name}": count for name, count in features.counts.items()}
    for group, columns in (("columns", features.columns), ("extra", features.extra)):
        for name, ragged in columns.items():
            arrays |= {f"{group}.{name}.values": ragged.values, f"{group}.{name}.offsets": ragged.offsets}
    return arrays


def _write(features: Features, folder: Path) -> None:
    """Build beside the final path, then rename, so that a directory is never seen half written."""
    temporary = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    try:
        for name, array in _arrays(features).items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        header = {
            "columns": list(features.columns),
            "extra": list(features.extra),
            "padding": features.padding,
            "counts": list(features.counts),
            "fixed": sorted(features.fixed),
            "files": {path.name: _digest(path) for path in sorted(temporary.iterdir())},
        }
        body = json.dumps(header, sort_keys=True)
        (temporary / _HEADER).write_text(json.dumps({"sha256": text_sha256(body), "body": body}), encoding="utf-8")
        if folder.exists():
            logger.warning("cached tokens in %s were damaged; they are built anew", folder)
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_sound(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    try:
        header = _header(folder)
        return all(_digest(folder / name) == digest for name, digest in header["files"].items())
    except (DamagedCache, OSError):
        return False


def _header(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        body, digest = document["body"], document["sha256"]
        header: dict[str, Any] = json.loads(body)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCache(f"{folder}: unreadable header") from error
    if text_sha256(body) != digest:
        raise DamagedCache(f"{folder}: the header does not match its hash")
    return header


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> Features:
    header = _header(folder)
    arrays = {name: np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in header["files"]}

    def ragged(group: str, name: str) -> Ragged:
        return Ragged(arrays[f"{group}.{name}.values.npy"], arrays[f"{group}.{name}.offsets.npy"])

    return Features(
        columns={name: ragged("columns", name) for name in header["columns"]},
        padding=header["padding"],
        item=arrays["item.npy"],
        terms=arrays["terms.npy"],
        extra={name: ragged("extra", name) for name in header["extra"]},
        counts={name: arrays[f"counts.{name}.npy"] for name in header["counts"]},
        fixed=frozenset(header["fixed"]),
    )


Value = TypeVar("Value")
KEPT_PER_KIND = 4


class RunCache:
    """Values by (kind, key), built at first use; the most recently used few of each kind are kept.

    A run must never change a value it gets: a run with a warm cache must equal one with a cold cache bit for bit.
    """

    def __init__(self, kept_per_kind: int = KEPT_PER_KIND) -> None:
        """Start empty."""
        self._kept = kept_per_kind
        self._values: dict[str, OrderedDict[Hashable, Any]] = {}
        self._last: dict[str, Hashable] = {}

    def get(self, kind: str, key: Hashable, build: Callable[[], Value]) -> Value:
        """Return the value of this key, building it if it is missing."""
        values = self._values.setdefault(kind, OrderedDict())
        if key not in values:
            values[key] = build()
        values.move_to_end(key)
        while len(values) > self._kept:
            values.popitem(last=False)
        value: Value = values[key]
        return value

    def changed(self, kind: str, key: Hashable) -> bool:
        """Return whether this key differs from the previous one of its kind; False for the first."""
        last = self._last.get(kind, key)
        self._last[kind] = key
        return last != key

    def clear(self) -> None:
        """Drop everything (after an out-of-memory error, say)."""
        self._values.clear()


def drop_graphs() -> None:
    """Drop every graph that was compiled in this process, if any."""
    if private_parts.may_have_compiled():
        import torch

        torch.compiler.reset()
