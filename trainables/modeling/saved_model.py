"""Reads and verifies a folder of saved weights; light to import (no torch).

`task.json` says what the model was trained for; `manifest.json`, written last, has the SHA-256 of every other file. A
folder is data: code in it or named by it is never run (see `remote_code` for code of the hub).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from analysis.tables.folder import Folder
from trainables.system.disk_cache import cache_folder, text_sha256

logger = logging.getLogger(__name__)

TASK_FILE, MANIFEST = "task.json", "manifest.json"
FORMAT = 1
HASHED = "manifest"  # the key of task.json that says there is a manifest; older exports have none
INDEX = ".index.json"
PAIRS = "pairs"  # the key of task.json that says whether the items were pairs of texts; older folders lack it
TASK_SHA256 = "task_sha256"  # the hash of a user's task file
ALWAYS = ("config.json", "tokenizer_config.json")  # files that every save writes
LONGEST = 1_000_000  # tokens per item
# What loading a model may read.
LOADED = (".json", ".safetensors", ".bin", ".txt", ".model", ".jinja", ".py")


class NotSaved(ValueError):
    """A folder does not hold a run's complete weights; the message says what to do."""


class DamagedWeights(NotSaved):
    """A file of saved weights is not as it was written."""


class _Task(BaseModel):
    """The part of `task.json` that readers rely on; the rest may be anything."""

    format: Any = FORMAT
    task: str
    task_options: dict[str, Any]
    labels: list[str]
    max_length: int = Field(ge=1, le=LONGEST)
    decisions: dict[str, float]
    attention: str | None
    config: dict[str, Any]


def is_saved(folder: Folder) -> bool:
    """Return whether weights were written here completely."""
    return folder.exists(MANIFEST)


def fetched(folder: Folder, run_id: str | None = None) -> Path:
    """Return a local folder with the verified files: this one, or a copy of it in the user's cache.

    Raises NotSaved if there are none, and DamagedWeights if a file is not as it was written or if the weights belong
    to another run than `run_id`.
    """
    local = _fetched(folder)
    owner = None if run_id is None else saved_task(local).get("run_id")
    if owner not in (None, run_id):
        raise DamagedWeights(f"{folder.uri}: holds the weights of run {owner}, not of {run_id}; restore the folder")
    return local


def _fetched(folder: Folder) -> Path:
    if not is_saved(folder):
        raise NotSaved(f"{folder.uri}: no weights were saved here")
    if folder.is_local:
        verify(folder.local_path)
        return folder.local_path
    manifest = folder.read(MANIFEST)
    copy = cache_folder() / "weights" / text_sha256(manifest.decode())[:32]
    for name, digest in _hashes(f"{folder.uri}/{MANIFEST}", manifest).items():
        if not _is_whole(copy / name, digest):
            try:
                Folder.at(copy).write(name, folder.read(name))
            except FileNotFoundError:
                raise DamagedWeights(f"{folder.uri}/{name}: is missing; execute the run again") from None
    Folder.at(copy).write(MANIFEST, manifest)
    verify(copy)
    return copy


def verify(folder: Path) -> None:
    """Check every file against the manifest. Raises DamagedWeights if one differs, is missing or was added."""
    hashes = hashes_of(folder)
    for name, digest in hashes.items():
        if not _is_whole(folder / name, digest):
            damage = "is not the file that was saved" if (folder / name).exists() else "is missing"
            raise DamagedWeights(
                f"{folder / name}: {damage}; restore the folder, export it again, or execute the run again"
            )
    for name in hashes:
        _check_index(folder / name)
    added = next((name for name in loaded_from(folder) if name not in hashes), None)
    if added is not None:
        raise DamagedWeights(f"{folder / added}: was added after the folder was saved; remove it")


def differences(folder: Folder) -> Iterator[tuple[str, Literal["damaged", "missing", "foreign"]]]:
    """Yield every file that differs from the folder's manifest; the folder may be local or remote.

    Checkpoints have the same kind of manifest. `foreign`: loading would read the file, but we did not write it.
    """
    try:
        hashes = _hashes(f"{folder.uri}/{MANIFEST}", folder.read(MANIFEST))
    except DamagedWeights:
        yield MANIFEST, "damaged"
        return
    except FileNotFoundError:
        yield MANIFEST, "missing"
        return
    for name, digest in hashes.items():
        difference = _difference(folder, name, digest)
        if difference is not None:
            yield name, difference
    for name in folder.files():
        if name != MANIFEST and name not in hashes and _is_loaded(PurePosixPath(name)):
            yield name, "foreign"


def _difference(folder: Folder, name: str, digest: str) -> Literal["damaged", "missing"] | None:
    try:
        return None if folder.sha256(name) == digest else "damaged"
    except FileNotFoundError:
        return "missing"
    except (IsADirectoryError, NotADirectoryError):
        return "damaged"


def hashes_of(folder: Path) -> dict[str, str]:
    """Return a local folder's manifest: file name -> SHA-256. Raises DamagedWeights or NotSaved if it is unreadable."""
    return _hashes(str(folder / MANIFEST), _read(folder / MANIFEST))


def _check_index(path: Path) -> None:
    """Check that weights in several files lie beside their index: only files in the folder have a hash."""
    if not path.name.endswith(INDEX):
        return
    index = json_of(str(path), _read(path))
    names = index.get("weight_map", {}).values() if isinstance(index, dict) else ()
    outside = next((name for name in names if Path(str(name)).name != name), None)
    if outside is not None:
        raise DamagedWeights(f"{path}: names weights outside the folder: {outside}")


def exported(folder: Path) -> Path:
    """Verify an exported folder and return it; an older version wrote no hashes. Raises NotSaved or DamagedWeights."""
    task = saved_task(folder)
    if (folder / MANIFEST).exists() or HASHED in task:
        verify(folder)
        return folder
    missing = next((name for name in ALWAYS if not (folder / name).is_file()), None)
    if missing is not None:
        raise DamagedWeights(f"{folder / missing}: is missing; export the run again")
    logger.warning("%s was exported without hashes, so damage cannot be detected; export it again", folder)
    return folder


def loaded_from(folder: Path) -> list[str]:
    """Return the names of the files that loading may read, without the manifest and other tools' folders (.git)."""
    names = (PurePosixPath(path.relative_to(folder)) for path in folder.rglob("*"))
    return sorted(str(name) for name in names if _is_loaded(name) and str(name) != MANIFEST)


def _is_loaded(name: PurePosixPath) -> bool:
    return name.suffix in LOADED and not any(part.startswith(".") for part in name.parts)


def write_manifest(folder: Path) -> None:
    """Hash every file that loading may read. Write this last: a manifest means that the folder is complete."""
    (folder / MANIFEST).write_bytes(manifest_of({name: folder / name for name in loaded_from(folder)}))


def manifest_of(files: Mapping[str, Path]) -> bytes:
    """Return the bytes of a manifest of these files."""
    return json.dumps({name: digest_of(path) for name, path in files.items()}, indent=1).encode()


def saved_task(folder: Path) -> dict[str, Any]:
    """Return the content of `task.json`. Raises NotSaved for a folder of another program, DamagedWeights for junk."""
    path = folder / TASK_FILE
    if not path.exists():
        raise NotSaved(f"{folder}: holds no {TASK_FILE}; give a folder that a run or `export` wrote")
    content = json_of(str(path), _read(path))
    if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
        raise NotSaved(f"{path}: format {content['format']!r}, but this program reads {FORMAT}")
    try:
        _Task.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedWeights(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    task: dict[str, Any] = content
    return task


def digest_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, read now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_whole(path: Path, digest: str) -> bool:
    try:
        return path.is_file() and digest_of(path) == digest
    except OSError as error:
        raise NotSaved(f"{path}: cannot be read: {error.strerror}") from error


def _hashes(where: str, manifest: bytes) -> dict[str, str]:
    content = json_of(where, manifest)
    if not isinstance(content, dict) or not all(isinstance(digest, str) for digest in content.values()):
        raise DamagedWeights(f"{where}: is not a list of hashes")
    strange = next((name for name in content if not _is_inside(name)), None)
    if strange is not None:
        raise DamagedWeights(f"{where}: {strange[:100]!r} is not the name of a file in this folder")
    return content


def _is_inside(name: str) -> bool:
    """Return whether a name can belong to one of our files: relative, and never upwards."""
    parts = name.split("/")
    return "\0" not in name and all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in parts)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DamagedWeights(f"{path}: is missing: the folder was not written completely, or lost the file") from None
    except IsADirectoryError:
        raise DamagedWeights(f"{path}: is a folder, not a file") from None
    except OSError as error:
        raise NotSaved(f"{path}: cannot be read: {error.strerror}") from error


def json_of(where: str, data: bytes) -> Any:
    """Parse a JSON file of a folder; `where` names it in errors. Raises DamagedWeights."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedWeights(f"{where}: is not JSON: {error}") from error
