"""Writes and reads JSON files that carry a checksum of their content, so that damage never goes unnoticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from analysis.tables.schema import Corrupt, sha256

CHECKSUM = "content_sha256"


def dump_checksummed(content: Mapping[str, Any]) -> bytes:
    """Return the file's bytes: indented JSON with the SHA-256 of the content's canonical form under CHECKSUM."""
    whole = {**content, CHECKSUM: _digest(content)}
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    return (text + "\n").encode("utf-8", "backslashreplace")


def load_checksummed(data: bytes, name: str) -> dict[str, Any]:
    """Return the content of a file. Raises Corrupt, naming the file, if it is not JSON or its checksum is wrong."""
    try:
        content = json.loads(data)
        checksum = content.pop(CHECKSUM)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Corrupt(f"{name}: not a whole file of this program ({error})") from error
    if checksum != _digest(content):
        raise Corrupt(f"{name}: its content does not have the recorded hash")
    return dict(content)


def holds(data: bytes, content: Mapping[str, Any]) -> bool:
    """Return whether these are the intact bytes of a file with this content."""
    try:
        return _digest(load_checksummed(data, "")) == _digest(content)
    except Corrupt:
        return False


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str)
    return sha256(text.encode())
