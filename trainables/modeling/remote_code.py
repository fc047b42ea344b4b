"""Code that belongs to a model: run from a hub repository only, at a commit that the person at the keyboard named.

A folder is data. What the configuration of a saved model says of code (`auto_map`) names the repository it came from,
and never a file beside the weights; whoever loads such a folder says once more which repository and commit to trust.
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
    """A repository of the Hugging Face Hub whose code may run, as it is at one commit."""

    repository: str
    commit: str

    @classmethod
    def parse(cls, written: str) -> HubCode:
        """From `OWNER/NAME@COMMIT`. Raises ValueError for anything but a full commit hash."""
        found = _WRITTEN.fullmatch(written)
        if found is None:
            raise ValueError(f"must be OWNER/NAME@COMMIT with all 40 digits of the commit, got {written!r}")
        return cls(found[1], found[2])


def trusted(config: ModelConfig) -> bool:
    """Whether the model's own code may run. Raises ModelError where that is asked for and can't be allowed."""
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
    """The settings of a model that is loaded from `folder` instead, with the code that may run.

    `code` None: none may. Raises ModelError where the folder needs code that is not allowed, or that of another
    repository.
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
    """Have a folder that was just saved name the repository of its code, instead of carrying a copy of that code."""
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
    """The library runs files of a folder in several ways, once it may run code at all: none of ours has any."""
    named = next((reference for reference in _references(folder) if _BETWEEN not in reference), None)
    found = next((str(path.relative_to(folder)) for path in folder.rglob("*.py")), named)
    if found is not None:
        raise ModelError(
            f"{folder}: {found} is code of the folder, as older versions saved it; such code is never run: execute the "
            "run again, or export it anew"
        )


def _refuse_folder_of_that_name(repository: str) -> None:
    """The library takes a folder of the working directory for the repository of that name."""
    if Path(repository).exists():
        raise ModelError(f"{repository} is also a folder here, whose code would be run; change to another directory")


def _of_the_hub(folder: Path) -> list[str]:
    return [reference for reference in _references(folder) if _BETWEEN in reference]


def _references(folder: Path) -> Iterator[str]:
    """Every class that the folder's configurations say is in code of their own."""
    for _, content in _configurations(folder):
        for value in content["auto_map"].values():
            yield from (part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str))


def _configurations(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The configurations of a folder that say something of code, as read."""
    for name in CONFIGURATIONS:
        path = folder / name
        content = json_of(str(path), path.read_bytes()) if path.is_file() else None
        if isinstance(content, dict) and content.get("auto_map"):
            maps = content["auto_map"]
            yield name, {**content, "auto_map": maps if isinstance(maps, dict) else {"AutoTokenizer": maps}}
