"""Shared by loading tokenizers and weights: where from, whose code may run, and readable errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers

from trainables.config import ModelConfig
from trainables.modeling.hub import ModelError, access_hint
from trainables.modeling.remote_code import trusted

__all__ = ["ModelError", "code_of", "explained", "origin", "own_code", "quiet"]

_NO_CODE = {"trust_remote_code": False}


def origin(config: ModelConfig) -> dict[str, Any]:
    """Return arguments of `from_pretrained`: what to load, and whose code may run. Raises ModelError as `trusted`."""
    if Path(config.source).is_absolute():
        return own_code(config)
    return {"revision": config.revision, **own_code(config)}


def own_code(config: ModelConfig) -> dict[str, Any]:
    """Return whether a repository's code may run, and at which commit; without these arguments the libraries would ask.

    The commit is also passed as `code_revision`: a repository that points to the code of another one fails to load,
    because the other one has no such commit. Raises ModelError as `trusted` does.
    """
    return {"trust_remote_code": True, "code_revision": config.revision} if trusted(config) else _NO_CODE


def code_of(config: ModelConfig, configuration: Any, auto_class: str) -> dict[str, Any]:
    """Return the same for `from_config`, which takes a commit only if it loads code."""
    loads_code = auto_class in (getattr(configuration, "auto_map", None) or ())
    return own_code(config) if loads_code else _NO_CODE


@contextmanager
def explained(config: ModelConfig) -> Iterator[None]:
    """Turn errors of the libraries into a ModelError that names the model.

    For a file that is not what its name says, they may raise anything; tokenizers even raises a bare Exception.
    """
    try:
        yield
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        hint = access_hint(error, config.source)
        folder = Path(config.source)
        if folder.is_dir() and (folder / "pytorch_model.bin").exists() and not any(folder.glob("*.safetensors")):
            hint = "; pickled weights (pytorch_model.bin) can run code and are refused: save them as safetensors"
        raise ModelError(f"{config.name}: {config.source} cannot be loaded: {first_line(error)}{hint}") from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type's name."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Turn off progress bars and load reports; anything important is returned or raised."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
