"""The token that a cluster asks for: where it is, how it comes to be, and that nobody else can read it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from orchestrator.errors import EnvironmentProblem

PRIVATE = 0o600
OTHERS = 0o077


def path() -> Path:
    """Where Ray looks for the token (`RAY_AUTH_TOKEN_PATH`, else `~/.ray/auth_token`)."""
    written = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return Path(written).expanduser() if written else Path.home() / ".ray" / "auth_token"


def token() -> str | None:
    """The token of this machine's user, or None. Raises EnvironmentProblem for a file that cannot be read."""
    if written := os.environ.get("RAY_AUTH_TOKEN"):
        return written.strip()
    try:
        return path().read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(f"the token in {path()} cannot be read: {error}") from error


def ensure() -> bool:
    """Make a token where there is none, and keep its file to its owner; True when it is a new one."""
    if token() is not None:
        if path().is_file() and path().stat().st_mode & OTHERS:
            path().chmod(PRIVATE)
        return False
    path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path().unlink(missing_ok=True)
    descriptor = os.open(path(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(32))
    return True
