"""`orchestrate export`: writes a saved run to a folder with a model card, ready for the Hugging Face Hub."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import html_tables
from orchestrator.commands import model_card
from orchestrator.commands.predict import weights_of
from orchestrator.errors import EnvironmentProblem, UserError
from orchestrator.storage import Store
from orchestrator.storage.find_results import find_run
from orchestrator.units import size
from trainables.data.sources.remote import is_remote, shown
from trainables.modeling.remote_code import point_to_hub
from trainables.modeling.saved_model import (
    HASHED,
    MANIFEST,
    TASK_FILE,
    NotSaved,
    hashes_of,
    loaded_from,
    saved_task,
    write_manifest,
)

HUB, TOKEN = "hub:", "HF_TOKEN"
CARD = "README.md"
BEFORE_HASHES = (  # the files of exports from before there was a manifest
    *("config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json"),
    *("feed_forward.py", "mean_pooling.py"),
)


@dataclass(frozen=True)
class Exported:
    """The exported folder, the bytes of every file written there, and the address it was pushed to, if any."""

    folder: str
    files: Mapping[str, int]
    address: str | None = None

    def _repr_html_(self) -> str:
        rows = [(name, size(count)) for name, count in self.files.items()]
        return html_tables.paragraph(self.address or self.folder) + html_tables.table(("file", "size"), rows)


def export(reference: str, where: str | None, to: str | None) -> Exported:
    """Write a run that saved its weights to a directory or to `hub:NAME`.

    Raises UserError for a run without weights or a directory that holds something else, EnvironmentProblem if the hub
    cannot be reached.
    """
    if to is not None and to.startswith(HUB):
        _require_token(to)
    store, run_id = find_run(reference, where)
    weights = weights_of(run_id, store.address)
    target = Path(_default_name(store, run_id) if to is None or to.startswith(HUB) else to).expanduser()
    files = _write(store, run_id, weights, target)
    if to is None or not to.startswith(HUB):
        return Exported(str(target), files)
    return Exported(str(target), files, _push(target, to.removeprefix(HUB)))


def _default_name(store: Store, run_id: str) -> str:
    row = model_card.row_of(store, run_id)
    return f"{row['system']}-seed{row['seed']}".replace("/", "-").replace(":", "-")


def _write(store: Store, run_id: str, weights: Path, target: Path) -> dict[str, int]:
    """Write the files of the run, the task, the card and the manifest. Return their names and sizes in bytes."""
    try:
        earlier = _earlier(target)
        target.mkdir(parents=True, exist_ok=True)
        for name in earlier:  # an older export must not mix with this one
            _new_file(target, name)
        return _written(store, run_id, weights, target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}; choose another --to") from error


def _earlier(target: Path) -> list[str]:
    """Return the files that an earlier export wrote there. Raises UserError if other files of a model are there."""
    if not target.exists() or not any(target.iterdir()):
        return []
    try:
        saved_task(target)
        known = {TASK_FILE, MANIFEST, *(hashes_of(target) if (target / MANIFEST).exists() else BEFORE_HASHES)}
    except NotSaved:
        raise UserError(f"{target} holds other files; choose another --to") from None
    others = [name for name in loaded_from(target) if name not in known]
    if others:
        raise UserError(f"{target / others[0]} was not written by an export; move it, or choose another --to")
    return sorted(known)


def _written(store: Store, run_id: str, weights: Path, target: Path) -> dict[str, int]:
    files = (path for path in sorted(weights.rglob("*")) if path.is_file())
    copied = [str(path.relative_to(weights)) for path in files if path.name not in (MANIFEST, TASK_FILE)]
    for name in copied:
        shutil.copyfile(weights / name, _new_file(target, name))
    content = {HASHED: MANIFEST, **without_local_paths(saved_task(weights))}
    model = saved_task(weights)["config"]["model"]
    card = model_card.card(store, run_id, content, model["source"])
    if model.get("trust_remote_code") and model.get("pooling") is None:  # older versions saved the code, too
        point_to_hub(target, model["source"])
    task = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    _new_file(target, TASK_FILE).write_text(task, encoding="utf-8")
    _new_file(target, CARD).write_text(card, encoding="utf-8")
    write_manifest(target)
    names = [name for name in sorted([*copied, TASK_FILE, CARD, MANIFEST]) if (target / name).exists()]
    return {name: (target / name).stat().st_size for name in names}


def _new_file(target: Path, name: str) -> Path:
    """Return where to write a file, with any old file or link there removed. Raises UserError if a link leads out."""
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(target.resolve()):
        raise UserError(f"{path.parent} leads out of {target} through a link; remove the link")
    path.unlink(missing_ok=True)
    return path


def without_local_paths(task: dict[str, Any]) -> dict[str, Any]:
    """Return the task with every path of this machine cut to its last part, also those of the user's Python files.

    Addresses lose what may be a password.
    """
    config = json.loads(json.dumps(task["config"]))
    for part, name in (("data", "name"), ("model", "source"), ("split", "ids")):
        config[part][name] = _last_part(config[part].get(name))
    files = ("path", "train", "validation", "test")
    config["data"] |= {name: _last_parts(config["data"][name]) for name in files if name in config["data"]}
    if "from" in config["model"].get("tokenizer", {}):
        config["model"]["tokenizer"]["from"] = _last_part(config["model"]["tokenizer"]["from"])
    config |= {name: _last_part(config.get(name)) for name in ("task", "metric") if name in config}
    config["variants"] = {_last_part(name): options for name, options in config.get("variants", {}).items()}
    return {**task, "task": _last_part(task.get("task")), "config": config}


def _last_parts(written: Any) -> Any:
    """Return the last part of a path, or of each in a list; anything else (true, false, null) as it is."""
    if isinstance(written, list):
        return [_last_parts(path) for path in written]
    if not isinstance(written, str):
        return written
    return shown(written) if is_remote(written) else _last_part(written.removeprefix("file://"))


def _last_part(written: str | None) -> str | None:
    return written if written is None or not Path(written).is_absolute() else Path(written).name


def _require_token(to: str) -> None:
    if not to.removeprefix(HUB).strip():
        raise UserError("--to hub: needs a name, e.g. hub:my-account/my-model")
    if not os.environ.get(TOKEN):
        raise UserError(f"pushing needs a token with write access in the environment variable {TOKEN}")


def _push(folder: Path, name: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.errors import HTTPError as AnyHTTPError  # type: ignore[attr-defined]  # of its HTTP library

    api = HfApi(token=os.environ[TOKEN])
    try:
        address = api.create_repo(name, exist_ok=True)
        api.upload_folder(repo_id=address.repo_id, folder_path=folder)
    except HFValidationError as error:
        raise UserError(f"--to hub:{name}: {error}") from error
    except (AnyHTTPError, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise EnvironmentProblem(f"the hub cannot be written to ({reason}); the folder is {folder}") from error
    return str(address)
