"""JSON files that carry the hash of their own content, so that a damaged one is noticed and never believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from analysis.tables.schema import Corrupt, sha256

SEAL = "content_sha256"


def seal(content: Mapping[str, Any]) -> bytes:
    """The file's bytes: indented JSON with the SHA-256 of the canonical form of everything else under SEAL."""
    text = json.dumps({**content, SEAL: _digest(content)}, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    return (text + "\n").encode("utf-8", "backslashreplace")


def unseal(data: bytes, name: str) -> dict[str, Any]:
    """The content of a sealed file. Raises Corrupt, naming the file, when it is not JSON or does not match its seal."""
    try:
        content = json.loads(data)
        seal_found = content.pop(SEAL)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Corrupt(f"{name}: not a whole file of this program ({error})") from error
    if seal_found != _digest(content):
        raise Corrupt(f"{name}: its content does not have the recorded hash")
    return dict(content)


def holds(data: bytes, content: Mapping[str, Any]) -> bool:
    """Whether this is the whole file of such content."""
    try:
        return _digest(unseal(data, "")) == _digest(content)
    except Corrupt:
        return False


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str)
    return sha256(text.encode())
