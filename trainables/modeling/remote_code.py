"""Decides which model code may run: only that of a hub repository, at a commit that the user named.

A folder is data. If the configuration of a saved model refers to code (`auto_map`), it names the repository that the
code came from, never a file beside the weights. Loading such a folder requires naming the repository and commit again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.config import ModelConfig
from trainables.modeling.hub import ModelError
from trainables.modeling.saved_model import json_of
from trainables.system.hub_access import is_commit

CONFIGURATIONS = ("config.json", "tokenizer_config.json")
_WRITTEN = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)@([0-9a-f]{40})")
_BETWEEN = "--"  # transformers writes `owner/name--module.Class`


@dataclass(frozen=True)
class HubCode:
    """A repository of the Hugging Face Hub whose code may run, at one commit."""

    repository: str
    commit: str

    @classmethod
    def parse(cls, written: str) -> HubCode:
        """Parse `OWNER/NAME@COMMIT`. Raises ValueError for anything but a full commit hash."""
        match = _WRITTEN.fullmatch(written)
        if match is None:
            raise ValueError(f"must be OWNER/NAME@COMMIT with all 40 digits of the commit, got {written!r}")
        return cls(match[1], match[2])


def trusted(config: ModelConfig) -> bool:
    """Return whether the model's own code may run. Raises ModelError if it is asked for and cannot be allowed."""
    if not config.trust_remote_code:
        return False
    if not is_commit(config.revision):
        raise ModelError(f"{config.name}: trust_remote_code also needs a pinned revision (a full commit hash)")
    if Path(config.source).is_absolute():
        _refuse_code_in(Path(config.source))
    else:
        _refuse_folder_of_that_name(config.source)
    return True


def in_folder(config: ModelConfig, folder: Path, code: HubCode | None) -> ModelConfig:
    """Return the settings to load a model from `folder`, with the code that may run (None: no code may run).

    Raises ModelError if the folder needs code that is not allowed, or code of another repository.
    """
    own: dict[str, Any] = {"source": str(folder.resolve()), "overrides": {}}
    if not config.trust_remote_code:
        return config.model_copy(update={**own, "revision": None})
    _refuse_code_in(folder)
    needed = sorted({reference.partition(_BETWEEN)[0] for reference in _of_the_hub(folder)})
    if code is None:
        where = " and ".join(needed) or config.source
        raise ModelError(
            f"{folder}: the model runs code of {where} on the Hugging Face Hub; read it, then allow it with "
            f"--trust-remote-code {where}@COMMIT"
        )
    _refuse_folder_of_that_name(code.repository)
    if needed != [code.repository]:
        raise ModelError(f"{folder}: needs code of {' and '.join(needed) or 'no repository'}, not of {code.repository}")
    return config.model_copy(update={**own, "revision": code.commit})


def point_to_hub(folder: Path, repository: str) -> None:
    """Make a folder that was just saved refer to the repository of its code, instead of carrying a copy of the code."""
    for name, content in _configurations(folder):
        content["auto_map"] = {key: _pointed(value, repository) for key, value in content["auto_map"].items()}
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    for copy in folder.rglob("*.py"):
        copy.unlink()


def _pointed(value: Any, repository: str) -> Any:
    if isinstance(value, list | tuple):
        return [_pointed(part, repository) for part in value]
    if not isinstance(value, str):
        return value
    return f"{repository}{_BETWEEN}{value.rpartition(_BETWEEN)[2]}"


def _refuse_code_in(folder: Path) -> None:
    """Refuse a folder with code: once the library may run code, it runs files of a folder in several ways."""
    named = next((reference for reference in _references(folder) if _BETWEEN not in reference), None)
    code = next((str(path.relative_to(folder)) for path in folder.rglob("*.py")), named)
    if code is not None:
        raise ModelError(
            f"{folder}: {code} is code in the folder, as older versions saved it; such code is never run: execute the "
            "run again, or export it again"
        )


def _refuse_folder_of_that_name(repository: str) -> None:
    """Refuse a repository whose name is also a folder here: the library would load the folder instead."""
    if Path(repository).exists():
        raise ModelError(f"{repository} is also a folder here, whose code would be run; change to another directory")


def _of_the_hub(folder: Path) -> list[str]:
    return [reference for reference in _references(folder) if _BETWEEN in reference]


def _references(folder: Path) -> Iterator[str]:
    """Yield every class that the folder's configurations place in code of their own."""
    for _, content in _configurations(folder):
        for value in content["auto_map"].values():
            yield from (part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str))


def _configurations(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the configurations of a folder that refer to code, as read."""
    for name in CONFIGURATIONS:
        path = folder / name
        content = json_of(str(path), path.read_bytes()) if path.is_file() else None
        if isinstance(content, dict) and content.get("auto_map"):
            maps = content["auto_map"]
            yield name, {**content, "auto_map": maps if isinstance(maps, dict) else {"AutoTokenizer": maps}}
