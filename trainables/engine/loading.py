"""What loading a tokenizer and loading weights have in common: where from, whose code may run, errors in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError

from trainables.engine.config import ModelConfig
from trainables.engine.hub import is_commit
from trainables.engine.hub_models import access_hint


class ModelError(ValueError):
    """A model or tokenizer that cannot be used: the message says which, why, and what to do."""


def origin(config: ModelConfig) -> dict[str, Any]:
    """Arguments that say what is loaded and whether its code may run. Raises ModelError for code without a pin."""
    if Path(config.source).is_absolute():
        return own_code(config)
    return {"revision": config.revision, **own_code(config)}


def own_code(config: ModelConfig) -> dict[str, Any]:
    """Whether the repository's own code may run. Raises ModelError where it may and the repository can change."""
    pinned = is_commit(config.revision) or Path(config.source).is_absolute()
    if config.trust_remote_code and not pinned:
        raise ModelError(f"{config.name}: trust_remote_code also needs a pinned revision (a full commit hash)")
    return {"trust_remote_code": config.trust_remote_code}


@contextmanager
def explained(config: ModelConfig) -> Iterator[None]:
    """Errors of the libraries, named after the model they are about."""
    try:
        yield
    except ModelError:
        raise
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
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
