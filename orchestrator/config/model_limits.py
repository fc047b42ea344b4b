"""Checks, before anything runs, that every model can read items of the length that it is asked to, and every token id.

A model whose files are on this machine is checked by them (`trainables/modeling/limits.py`). The run itself finds out
about one that has to be downloaded first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.config.adapt_runs import adapt_of
from orchestrator.config.error_messages import Check
from orchestrator.config.experiment import AdaptOverride, Experiment
from orchestrator.config.yaml_file import KeyPath, dotted
from trainables.config import ModelConfig, TrainConfig
from trainables.modeling.limits import FROM, POSITIONS, Limits, limits_of
from trainables.models import ResolvedModel

LENGTH = "max_length"
_VARIED = f"train.{LENGTH}"


def check_limits(
    check: Check, experiment: Experiment, models: Mapping[str, ResolvedModel], trains: Mapping[str, TrainConfig | None]
) -> None:
    """Report every length above what a model reads, and every model whose weights do not fit its other settings."""
    for name, model in models.items():
        if not model.config.name:
            continue
        _check_own_tokens(check, name, model.config)
        limits = limits_of(model.config)
        if limits is None:
            _note_preset(check, experiment, name, model, trains[name])
            continue
        fits = _check_sizes(check, name, model.config, limits)
        for path, length in _lengths(experiment, name, trains[name]) if fits else ():
            _check_length(check, path, length, name, limits)


def _check_own_tokens(check: Check, name: str, config: ModelConfig) -> None:
    if FROM in config.tokenizer and not config.random_init:
        message = "pretrained weights know only their own tokens; remove it, or write random_init: true"
        check.add(("models", name, "tokenizer", FROM), message)


def _check_sizes(check: Check, name: str, config: ModelConfig, limits: Limits) -> bool:
    """Report sizes that the weights or the tokenizer contradict; return whether there are none."""
    before = len(check.problems)
    if not config.random_init:
        stored = {**dict.fromkeys(POSITIONS, limits.positions), "vocab_size": limits.stored_embeddings}
        for key, size in stored.items():
            written = config.overrides.get(key, size)
            if size is not None and written != size:
                message = f"is {written}, but the weights have {size}; remove it, or write random_init: true"
                check.add(("models", name, "overrides", key), message)
    if len(check.problems) == before and (limits.vocabulary or 0) > (limits.embeddings or limits.vocabulary or 0):
        check.add(
            _place_of(check, name),
            f"the tokenizer of {name} has token ids for {limits.vocabulary} tokens, but the model has "
            f"{limits.embeddings} embeddings (vocab_size): they do not belong together; "
            "use the tokenizer that the model was saved with",
        )
    return len(check.problems) == before


def _check_length(check: Check, path: KeyPath, length: int, name: str, limits: Limits) -> None:
    if limits.tokens is not None and length > limits.tokens:
        own = "" if path[-1] != LENGTH or path[0] == "models" else f", or give it its own ({_own_key(path, name)})"
        reads = f"{name} reads at most {limits.tokens} tokens{_why(limits)}"
        check.add(path, f"is {length}, but {reads}; write {limits.tokens} or less{own}")
    elif limits.trained_tokens is not None and length > limits.trained_tokens:
        check.notes.append(
            f"{dotted(path)} is {length}, but {name} was trained with up to {limits.trained_tokens} tokens: "
            "it reads longer items, but never learned such positions"
        )


def _own_key(path: KeyPath, name: str) -> str:
    return dotted(("models", name, *path[path[0] == "train" :]))


def _why(limits: Limits) -> str:
    """Return why a model reads fewer tokens than it has positions; nothing if it reads as many."""
    if limits.positions is None or limits.positions <= (limits.tokens or 0):
        return ""
    return f" (it has {limits.positions} positions and numbers tokens from the one after its padding id)"


def _lengths(experiment: Experiment, name: str, train: TrainConfig | None) -> Iterator[tuple[KeyPath, int]]:
    """Yield every length that a model is asked to read, with the key that says so."""
    entry = experiment.models[name]
    if train is not None:
        yield ("models", name, LENGTH) if LENGTH in entry.model_fields_set else ("train", LENGTH), train.max_length
    adapt = adapt_of(experiment, name)
    if adapt is not None:
        is_own = isinstance(entry.adapt, AdaptOverride) and LENGTH in entry.adapt.model_fields_set
        yield ("models", name, "adapt", LENGTH) if is_own else ("adapt", LENGTH), adapt.max_length
    varied = None if experiment.search is None else experiment.search.parameters.get(_VARIED)
    if varied is not None and (varied.models is None or name in varied.models):
        lengths = [value for value in varied.edges if isinstance(value, int) and not isinstance(value, bool)]
        if lengths:
            yield ("search", "parameters", _VARIED), max(lengths)


def _note_preset(
    check: Check, experiment: Experiment, name: str, model: ResolvedModel, train: TrainConfig | None
) -> None:
    """Note lengths above what the preset says, of a model that has to be downloaded first."""
    if model.preset is None or Path(model.config.source).is_absolute():
        return
    most = model.preset.max_length
    for path, length in _lengths(experiment, name, train):
        if length > most:
            check.notes.append(f"{dotted(path)} is {length}, but {name} is for up to {most} tokens: its runs may fail")


def _place_of(check: Check, name: str) -> KeyPath:
    """Return the key that chooses a model's tokenizer."""
    path: KeyPath = ("models", name, "tokenizer")
    return path[:-1] if check.document.written(path) is None else path
