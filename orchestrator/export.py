"""`orchestrate export`: a saved run as a folder for others, with a model card, ready for the Hugging Face Hub."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import model_card
from orchestrator.errors import EnvironmentProblem, UserError
from orchestrator.places import find_run
from orchestrator.predict import weights_of
from orchestrator.storage import Store
from trainables.engine.saved import MANIFEST, TASK_FILE, saved_task

HUB, TOKEN = "hub:", "HF_TOKEN"
CARD = "README.md"


@dataclass(frozen=True)
class Exported:
    """Where the folder is, and the address it was pushed to, if any."""

    folder: str
    address: str | None = None


def export(reference: str, where: str | None, to: str | None) -> Exported:
    """Write the folder of a run that saved its weights, to a directory or to `hub:NAME`.

    Raises UserError for a run without weights or a directory that holds something else, EnvironmentProblem where the
    hub cannot be reached.
    """
    if to is not None and to.startswith(HUB):
        _require_token(to)
    store, run_id = find_run(reference, where)
    weights = weights_of(run_id, store.location)
    target = Path(_default_name(store, run_id) if to is None or to.startswith(HUB) else to).expanduser()
    _write(store, run_id, weights, target)
    if to is None or not to.startswith(HUB):
        return Exported(str(target))
    return Exported(str(target), _push(target, to.removeprefix(HUB)))


def _default_name(store: Store, run_id: str) -> str:
    row = model_card.row_of(store, run_id)
    return f"{row['system']}-seed{row['seed']}".replace("/", "-").replace(":", "-")


def _write(store: Store, run_id: str, weights: Path, target: Path) -> None:
    if target.exists() and any(target.iterdir()) and not (target / TASK_FILE).is_file():
        raise UserError(f"{target} holds other files; choose another --to")
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(weights.rglob("*")):
        name = path.relative_to(weights)
        if path.is_file() and path.name not in (MANIFEST, TASK_FILE):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
    content = without_places(saved_task(weights))
    (target / TASK_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (target / CARD).write_text(model_card.card(store, run_id, content), encoding="utf-8")


def without_places(task: dict[str, Any]) -> dict[str, Any]:
    """The same without paths of this machine: only their last part is left."""
    config = json.loads(json.dumps(task["config"]))
    for part, name in (("data", "path"), ("model", "source"), ("split", "ids")):
        if config[part][name] is not None and Path(config[part][name]).is_absolute():
            config[part][name] = Path(config[part][name]).name
    return {**task, "config": config}


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
