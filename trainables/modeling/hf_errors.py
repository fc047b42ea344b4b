"""What loading a tokenizer and loading weights have in common: where from, whose code may run, errors in words."""

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
    """Arguments of `from_pretrained`: what is loaded, and whose code may run. Raises ModelError as `trusted` does."""
    if Path(config.source).is_absolute():
        return own_code(config)
    return {"revision": config.revision, **own_code(config)}


def own_code(config: ModelConfig) -> dict[str, Any]:
    """Whether the code of a repository may run, and at which commit; always said, for the libraries ask when it is not.

    The commit is passed as `code_revision` too: a repository that points to the code of another one fails to load,
    since that other one has no such commit. Raises ModelError as `trusted` does.
    """
    return {"trust_remote_code": True, "code_revision": config.revision} if trusted(config) else _NO_CODE


def code_of(config: ModelConfig, configuration: Any, auto_class: str) -> dict[str, Any]:
    """As `own_code`, for `from_config`, which takes a commit only where it loads code."""
    loads_code = auto_class in (getattr(configuration, "auto_map", None) or ())
    return own_code(config) if loads_code else _NO_CODE


@contextmanager
def explained(config: ModelConfig) -> Iterator[None]:
    """Errors of the libraries, named after the model they are about.

    A file that is not what its name says makes them raise anything at all, a bare Exception of the tokenizers included.
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
        raise ModelError(f"{config.name}: {config.source} cannot be loaded: {_first_line(error)}{hint}") from error


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no load reports: what matters of them is returned or raised."""
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
