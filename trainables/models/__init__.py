"""One model preset a file, each exporting MODEL; `resolve` turns a name and a user's overrides into settings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables import registry
from trainables.engine import hub
from trainables.engine.config import ModelConfig, Precision
from trainables.engine.fingerprint import files_sha256
from trainables.engine.hardware import Hardware, this_machine
from trainables.engine.preset import ModelPreset, PackagedWeights, PrecisionChoice

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_KEYS = ("path", "hub", "revision", "precision", "overrides", "tokenizer", "random_init", "trust_remote_code")
_CONTENT = ("config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt")
_WEIGHTS = ("*.model", "*.safetensors", "*.safetensors.index.json", "*.py")


@dataclass(frozen=True)
class Resolved:
    """Settings of one model, the preset they come from (None: a hub id or folder), and remarks for the user."""

    config: ModelConfig
    preset: ModelPreset | None
    notes: tuple[str, ...]


def resolve(name: str, override: Mapping[str, Any] | None = None, hardware: Hardware | None = None) -> ModelConfig:
    """The settings of a model: a preset's name, a hub id `owner/name`, a folder, or a `.py` file with a preset.

    `override` may hold path or hub, revision, precision, overrides (of the configuration), tokenizer, random_init and
    trust_remote_code. Raises UnknownName or ValueError; see `resolved` for the remarks.
    """
    return resolved(name, override, hardware).config


def resolved(name: str, override: Mapping[str, Any] | None = None, hardware: Hardware | None = None) -> Resolved:
    """As `resolve`, with remarks: e.g. that this machine (`hardware`) cannot compute in the preset's precision."""
    chosen = dict(override or {})
    _check(name, chosen)
    preset = _preset(name, chosen)
    source = _source(name, preset, chosen)
    asked: PrecisionChoice = chosen.get("precision") or (preset.precision if preset else "auto")
    precision, notes = _precision(name, asked, "precision" in chosen, hardware or this_machine())
    config = ModelConfig(
        name=_label(name, preset),
        source=str(source),
        revision=_revision(name, source, preset, chosen),
        precision=precision,
        random_init=chosen.get("random_init", preset.random_init if preset else False),
        overrides={**(preset.overrides if preset else {}), **chosen.get("overrides", {})},
        tokenizer={**(preset.tokenizer if preset else {}), **chosen.get("tokenizer", {})},
        trust_remote_code=chosen.get("trust_remote_code", False),
    )
    if config.trust_remote_code and isinstance(source, str) and not hub.is_commit(config.revision):
        raise ValueError(f"model {name}: trust_remote_code also needs a pinned revision (a full commit hash)")
    return Resolved(config, preset, notes)


def pin(config: ModelConfig, *, offline: bool = False) -> ModelConfig:
    """The same model with its hub revision as a commit, so that a run's id means one content.

    Raises ValueError where neither the hub nor the local cache knows the model.
    """
    if Path(config.source).is_absolute() or hub.is_commit(config.revision):
        return config
    found = hub.commit(config.source, config.revision, "model", offline)
    if found is None:
        revision = f" at revision {config.revision}" if config.revision else ""
        where = "cannot be reached on the Hugging Face Hub and is not in the local cache"
        raise ValueError(f"model {config.name}: {config.source}{revision} {where}; a local copy can be given as path")
    return config.model_copy(update={"revision": found})


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


def _is_folder(name: str) -> bool:
    return name.startswith((".", "/", "~"))


def _label(name: str, preset: ModelPreset | None) -> str:
    if preset is not None:
        return preset.name
    return Path(name).expanduser().resolve().name if _is_folder(name) else name


def _source(name: str, preset: ModelPreset | None, chosen: dict[str, Any]) -> Path | str:
    """An absolute folder or a hub id."""
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
    found: str | None = chosen.get("revision", own)
    return found


def _precision(
    name: str, asked: PrecisionChoice, explicit: bool, hardware: Hardware
) -> tuple[Precision, tuple[str, ...]]:
    if asked == "auto":
        return ("bf16" if hardware.supports("bf16") else "fp32"), ()
    if asked not in ("fp32", "bf16", "fp16"):
        raise ValueError(f"model {name}: precision must be auto, fp32, bf16 or fp16, got {asked!r}")
    if hardware.supports(asked):
        return asked, ()
    if explicit:
        raise ValueError(f"model {name}: precision {asked} is not computed natively by {hardware.device}")
    return "fp32", (f"{name}: fp32 instead of {asked}, which {hardware.device} does not compute natively",)
