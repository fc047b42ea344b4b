"""Model presets, one per file, each exporting `MODEL`; `resolve` turns a name and a user's overrides into settings.

Read `protocols/model_preset.py` for the contract and `roberta_base.py` for an example. May import `protocols` and
everything below it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables import registry
from trainables.config import ModelConfig, Precision
from trainables.modeling.hub import TOKEN
from trainables.protocols.model_preset import ModelPreset, PackagedWeights, PrecisionChoice
from trainables.system.disk_cache import files_sha256
from trainables.system.hardware import Hardware, training_hardware
from trainables.system.hub_access import commit, is_commit

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_KEYS = (
    *("path", "hub", "revision", "precision", "overrides", "tokenizer"),
    *("pooling", "random_init", "trust_remote_code"),
)
_CONTENT = (
    *("config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "chat_template*"),
    *("vocab*", "merges.txt"),
)
_WEIGHTS = ("*.model", "*.safetensors", "*.safetensors.index.json", "*.py")


@dataclass(frozen=True)
class ResolvedModel:
    """The settings of one model, the preset they come from (None: a hub id or folder), and remarks for the user.

    `why_precision` gives the reason for its precision; a `makeshift` one replaces a precision that the machine lacks.
    """

    config: ModelConfig
    preset: ModelPreset | None
    notes: tuple[str, ...]
    why_precision: str = ""
    makeshift: bool = False


@dataclass(frozen=True)
class _Chosen:
    """The chosen precision, the reason for it, and remarks for the user."""

    precision: Precision
    why: str
    notes: tuple[str, ...] = ()
    makeshift: bool = False


def resolve(name: str, override: Mapping[str, Any] | None = None, hardware: Hardware | None = None) -> ModelConfig:
    """Return the settings of a model: a preset's name, a hub id `owner/name`, a folder or a `.py` file with a preset.

    `override` may hold path or hub, revision, precision, overrides (of the configuration), tokenizer, pooling,
    random_init and trust_remote_code. Raises UnknownName or ValueError; see `resolved` for the remarks.
    """
    return resolved(name, override, hardware).config


def resolved(name: str, override: Mapping[str, Any] | None = None, hardware: Hardware | None = None) -> ResolvedModel:
    """Resolve with remarks, e.g. that `hardware`, which runs train on, lacks the preset's precision."""
    chosen = dict(override or {})
    _check(name, chosen)
    preset = _preset(name, chosen)
    source = _source(name, preset, chosen)
    asked: PrecisionChoice = chosen.get("precision") or (preset.precision if preset else "auto")
    machine = hardware or training_hardware()
    chosen_precision = _precision(name, preset, asked, "precision" in chosen, machine)
    config = ModelConfig(
        name=_label(name, preset),
        source=str(source),
        revision=_revision(name, source, preset, chosen),
        precision=chosen_precision.precision,
        random_init=chosen.get("random_init", preset.random_init if preset else False),
        overrides={**(preset.overrides if preset else {}), **chosen.get("overrides", {})},
        tokenizer=_tokenizer(name, preset, chosen.get("tokenizer", {})),
        pooling=chosen.get("pooling", preset.pooling if preset else None),
        trust_remote_code=chosen.get("trust_remote_code", False),
    )
    if config.trust_remote_code and isinstance(source, Path):
        raise ValueError(
            f"model {name}: trust_remote_code: code in a folder is never run; name the hub repository that it comes "
            "from (hub: owner/name) with its commit (revision), or remove the key"
        )
    if config.trust_remote_code and not is_commit(config.revision):
        raise ValueError(f"model {name}: trust_remote_code also needs a pinned revision (a full commit hash)")
    notes = (*chosen_precision.notes, *_gate(name, source, preset))
    return ResolvedModel(config, preset, notes, chosen_precision.why, chosen_precision.makeshift)


def pin(config: ModelConfig, *, offline: bool = False) -> ModelConfig:
    """Return the model with its hub revision pinned to a commit, so that a run's id stands for one content.

    Raises ValueError if neither the hub nor the local cache knows the model.
    """
    if not Path(config.source).is_absolute() and not is_commit(config.revision):
        config = config.model_copy(update={"revision": _commit(config.name, config.source, config.revision, offline)})
    other = config.tokenizer.get("from", "words")
    if other != "words" and not Path(other).is_absolute() and not is_commit(config.tokenizer.get("revision")):
        revision = _commit(config.name, other, config.tokenizer.get("revision"), offline)
        config = config.model_copy(update={"tokenizer": {**config.tokenizer, "revision": revision}})
    return config


def _commit(name: str, source: str, revision: str | None, offline: bool) -> str:
    pinned = commit(source, revision, "model", offline)
    if pinned is None:
        at = f" at revision {revision}" if revision else ""
        where = "cannot be reached on the Hugging Face Hub and is not in the local cache"
        raise ValueError(f"model {name}: {source}{at} {where}; give a local copy as path")
    return pinned


def _gate(name: str, source: Path | str, preset: ModelPreset | None) -> tuple[str, ...]:
    """Return a remark on a gated model if no access token is set."""
    if preset is None or not preset.gated or isinstance(source, Path) or os.environ.get(TOKEN):
        return ()
    how = f"accept its licence at https://huggingface.co/{source} and set {TOKEN} in the environment of every node"
    return (f"{name}: is gated: unless it is in the local cache, {how}",)


def _check(name: str, chosen: dict[str, Any]) -> None:
    for key in chosen:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            raise ValueError(f"model {name}: unknown key {key!r}{hint} known: {', '.join(_KEYS)}")
    if "path" in chosen and "hub" in chosen:
        raise ValueError(f"model {name}: path and hub exclude each other")


def _preset(name: str, chosen: dict[str, Any]) -> ModelPreset | None:
    if name.endswith(".py") or name in registry.names("model"):
        preset: ModelPreset = registry.load("model", name)
        return preset
    if "path" in chosen or "hub" in chosen or _is_folder(name) or _HUB_ID.fullmatch(name):
        return None
    raise registry.UnknownName("model", name, registry.names("model"))


def _tokenizer(name: str, preset: ModelPreset | None, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokenizer's arguments; one taken `from` elsewhere gets none of the preset's, a folder its hash."""
    if "from" not in chosen:
        return {**(preset.tokenizer if preset else {}), **chosen}
    other = str(chosen["from"])
    if other == "words":
        return dict(chosen)
    if not _is_folder(other):
        return {**chosen, "from": _hub_id(name, other)}
    folder = Path(other).expanduser()
    if not folder.is_absolute() or not (folder / "tokenizer.json").is_file():
        raise ValueError(
            f"model {name}: tokenizer.from: {other} must be a hub id or the full path of a tokenizer's folder"
        )
    files = {path for pattern in _CONTENT[1:] for path in folder.glob(pattern) if path.is_file()}
    return {**chosen, "from": str(folder), "revision": files_sha256(files, folder)}


def _is_folder(name: str) -> bool:
    return name.startswith((".", "/", "~"))


def _label(name: str, preset: ModelPreset | None) -> str:
    if preset is not None:
        return preset.name
    return Path(name).expanduser().resolve().name if _is_folder(name) else name


def _source(name: str, preset: ModelPreset | None, chosen: dict[str, Any]) -> Path | str:
    """Return an absolute folder or a hub id."""
    if "path" in chosen:
        return _folder(name, chosen["path"])
    if "hub" in chosen:
        return _hub_id(name, chosen["hub"])
    if preset is not None:
        return preset.source.path() if isinstance(preset.source, PackagedWeights) else preset.source
    return _folder(name, name) if _is_folder(name) else _hub_id(name, name)


def _folder(name: str, path: Any) -> Path:
    folder = Path(str(path)).expanduser().resolve()
    if not (folder / "config.json").is_file():
        raise ValueError(f"model {name}: {folder} holds no config.json; give a folder in Hugging Face format")
    return folder


def _hub_id(name: str, identity: Any) -> str:
    if not _HUB_ID.fullmatch(str(identity)):
        raise ValueError(f"model {name}: {identity!r} is not a hub id such as owner/name")
    if Path(identity).is_dir():
        raise ValueError(f"model {name}: {identity} is also a folder here; write ./{identity} for the folder")
    return str(identity)


def _revision(name: str, source: Path | str, preset: ModelPreset | None, chosen: dict[str, Any]) -> str | None:
    if isinstance(source, Path):
        if "revision" in chosen:
            raise ValueError(f"model {name}: a folder has no revision; its content is hashed")
        files = {path for pattern in (*_CONTENT, *_WEIGHTS) for path in source.glob(pattern) if path.is_file()}
        return files_sha256(files, source)
    own = preset.revision if preset and source == preset.source else None
    revision: str | None = chosen.get("revision", own)
    return revision


def _precision(
    name: str, preset: ModelPreset | None, asked: PrecisionChoice, explicit: bool, hardware: Hardware
) -> _Chosen:
    if asked == "auto":
        return _automatic(preset, hardware)
    if asked not in ("fp32", "bf16", "fp16"):
        raise ValueError(f"model {name}: precision must be auto, fp32, bf16 or fp16, got {asked!r}")
    reason = "asked for" if explicit or preset is None else preset.why_precision
    if hardware.supports(asked):
        return _Chosen(asked, reason)
    if explicit:
        raise ValueError(f"model {name}: precision {asked} is not computed natively by {hardware.device}")
    note = f"fp32 instead of {asked}, which {hardware.device} does not compute natively"
    return _Chosen("fp32", f"{note} ({asked}: {reason})", (f"{name}: {note}",))


def _automatic(preset: ModelPreset | None, hardware: Hardware) -> _Chosen:
    """Choose the device's best precision; a preset that declares another one than fp16 has a reason to avoid fp16."""
    device, best = hardware.device, hardware.automatic
    if best == "bf16":
        return _Chosen(best, f"auto: {device} computes in bf16")
    if best == "fp32":
        return _Chosen(best, f"auto: {device} has neither bf16 nor cores for fp16")
    if preset is not None and preset.precision not in ("auto", "fp16"):
        declared = f"{preset.name} is for {preset.precision}: {preset.why_precision}"
        return _Chosen("fp32", f"auto: {device} has no bf16, and not fp16, because {declared}")
    unknown = "; orchestrate probe says whether it overflows" if preset is None else ""
    return _Chosen(best, f"auto: {device} has no bf16; fp16 with a GradScaler{unknown}", makeshift=True)
