"""What a folder of saved weights holds and whether it is whole; light to import (no torch).

`task.json` says what the model was trained for; `manifest.json`, written last, has the SHA-256 of every other file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from trainables.engine.fingerprint import cache_folder, text_sha256
from trainables.engine.folder import Folder

TASK_FILE, MANIFEST = "task.json", "manifest.json"
FORMAT = 1


class NotSaved(ValueError):
    """There are no whole weights of a run where they were looked for; the message says what to do."""


def is_saved(folder: Folder) -> bool:
    """Whether weights were written here to the end."""
    return folder.exists(MANIFEST)


def fetched(folder: Folder) -> Path:
    """A local folder with the verified files: this one, or a copy of it in the user's cache.

    Raises NotSaved where there are none, or where a file is not what was written.
    """
    if not is_saved(folder):
        raise NotSaved(f"{folder.uri}: no weights were saved here")
    manifest = folder.read(MANIFEST)
    hashes: dict[str, str] = json.loads(manifest)
    place = folder.local_path if folder.is_local else cache_folder() / "weights" / text_sha256(manifest.decode())[:32]
    for name, digest in hashes.items():
        path = place / name
        if not folder.is_local and not (path.is_file() and digest_of(path) == digest):
            Folder.at(place).write(name, folder.read(name))
        if not path.is_file() or digest_of(path) != digest:
            raise NotSaved(f"{path}: is not the file that was saved; forget the run and execute it again")
    return place


def saved_task(folder: Path) -> dict[str, Any]:
    """The content of `task.json`. Raises NotSaved for a folder that this program did not write."""
    try:
        content: dict[str, Any] = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotSaved(f"{folder}: holds no {TASK_FILE}; give a folder that a run or `export` wrote") from error
    if content.get("format") != FORMAT:
        raise NotSaved(f"{folder / TASK_FILE}: format {content.get('format')}, this program reads {FORMAT}")
    return content


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file, read now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
