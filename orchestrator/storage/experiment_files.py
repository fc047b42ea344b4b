"""What the results are results of: the resolved experiment, the cells of its grid, and the fingerprints of its data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from analysis.tables import experiment_file
from analysis.tables.experiment_file import EXPERIMENT
from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt, read_parquet
from analysis.tables.sealed_json import holds, seal, unseal
from orchestrator.errors import CorruptResults, UserError
from orchestrator.storage.disk_errors import QUARANTINE, move_aside

CELLS, DATASETS, NOTES = "cells.json", "datasets.json", "notes.json"
ABSENT = "(absent)"
EXPERIMENT_HASH = "experiment_sha256"  # in cells.json; what earlier versions wrote has none


class DataChanged(UserError):
    """The data is not what the records of this results directory were made with."""


def write_experiment(
    root: Folder, experiment: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Write `experiment.yaml` and `cells.json`; returns what changed since the last time, one line a key.

    A file that differs is kept as `experiment-<n>.yaml`; nothing is written where nothing changed. `cells.json` holds
    the hash of `experiment.yaml`.
    """
    old = root.read(EXPERIMENT) if root.exists(EXPERIMENT) else None
    lines: tuple[str, ...] = ()
    if old is None or not _says(old, experiment):
        data = experiment_file.to_bytes(experiment)
        if old is not None:
            lines = _difference(old, experiment_file.from_bytes(data))
            _keep(root, old)
        root.write(EXPERIMENT, data)
    content = {EXPERIMENT_HASH: root.sha256(EXPERIMENT), "cells": [dict(cell) for cell in cells]}
    if not (root.exists(CELLS) and holds(root.read(CELLS), content)):
        root.write(CELLS, seal(content))
    return lines


def _says(data: bytes, experiment: Mapping[str, Any]) -> bool:
    """Whether a file holds this experiment, the order of its keys and the types of its values included."""
    return json.dumps(_parsed(data), default=str) == json.dumps(dict(experiment), default=str)


def write_notes(root: Folder, notes: Sequence[str]) -> None:
    """Keep what every reader of the results must be told about the data; reports repeat it."""
    data = seal({"notes": list(notes)})
    if not (root.exists(NOTES) and root.read(NOTES) == data):
        root.write(NOTES, data)


def read_notes(root: Folder) -> tuple[str, ...]:
    """The notes of the last sweep; none before the first one. Raises CorruptResults."""
    if not root.exists(NOTES):
        return ()
    data = root.read(NOTES)
    try:
        content = json.loads(data)  # earlier versions wrote it without a hash
        return tuple(map(str, (content if set(content) == {"notes"} else unseal(data, NOTES))["notes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptResults(f"{root.uri}/{NOTES} is damaged; running the sweep again writes it anew") from error


def read_experiment(root: Folder) -> dict[str, Any] | None:
    """The resolved experiment; None before the first sweep. Raises CorruptResults for a file that is no mapping."""
    if not root.exists(EXPERIMENT):
        return None
    content = _parsed(root.read(EXPERIMENT))
    if content is None:
        raise CorruptResults(f"{root.uri}/{EXPERIMENT} is damaged; running the sweep again writes it anew")
    return content


def read_cells(root: Folder) -> list[dict[str, Any]]:
    """The cells of the current grid, in its order; empty before the first sweep. Raises CorruptResults."""
    if not root.exists(CELLS):
        return []
    return list(_grid(root)["cells"])


def _grid(root: Folder) -> dict[str, Any]:
    label = f"{root.uri}/{CELLS}"
    try:
        content = unseal(root.read(CELLS), label)
        if "cells" not in content:
            raise Corrupt(f"{label}: is not a list of cells")
    except Corrupt as error:
        raise CorruptResults(f"{error}; running the sweep again writes it anew") from error
    return content


def check_fingerprint(root: Folder, dataset: str, fingerprint: str, accept: bool) -> None:
    """Remember a data set's fingerprint, or compare it with the remembered one.

    Raises DataChanged with both fingerprints unless `accept`, CorruptResults where they can no longer be told.
    """
    known = _fingerprints(root, accept)
    before = known.get(dataset)
    if before == [fingerprint]:
        return
    if before and not accept:
        raise DataChanged(
            f"data set {dataset} changed: the records in {root.uri} were made with {' or '.join(before)}, it is now "
            f"{fingerprint}; restore the data, choose another --out, or pass --accept-new-data to add new runs for it"
        )
    root.write(DATASETS, seal({**known, dataset: [fingerprint]}))


def _fingerprints(root: Folder, accept: bool) -> dict[str, list[str]]:
    """Data set -> fingerprints it may have; where the file is damaged, those in the compacted `runs`."""
    if not root.exists(DATASETS):
        return {}
    try:
        return _remembered(root)
    except Corrupt as error:
        if not root.exists("runs.parquet") and not accept:
            raise CorruptResults(f"{error}; pass --accept-new-data if the data is what it was") from error
        found = _recorded_fingerprints(root)
        move_aside(root, DATASETS, QUARANTINE)
        return found


def _remembered(root: Folder) -> dict[str, list[str]]:
    content = unseal(root.read(DATASETS), f"{root.uri}/{DATASETS}")
    if not all(isinstance(fingerprints, list) for fingerprints in content.values()):
        raise Corrupt(f"{root.uri}/{DATASETS}: is not a list of data sets")
    return content


def rebuild_fingerprints(root: Folder) -> None:
    """Write `datasets.json` anew from the compacted `runs`, which must be whole; what was there is set aside."""
    known = _recorded_fingerprints(root)
    if root.exists(DATASETS):
        move_aside(root, DATASETS, QUARANTINE)
    root.write(DATASETS, seal(known))


def unsound(root: Folder) -> Iterator[tuple[str, str]]:
    """Each of the four files that is not as it was written, and what is wrong: `missing`, or why it is not believed.

    Where a sweep was never started none is missing. `notes.json` is not missed: earlier versions wrote none.
    """
    there = [name for name in (EXPERIMENT, CELLS, DATASETS, NOTES) if root.exists(name)]
    yield from ((name, "missing") for name in (EXPERIMENT, CELLS, DATASETS) if there and name not in there)
    readers: dict[str, Callable[[], object]] = {
        EXPERIMENT: lambda: _as_swept(root),
        CELLS: lambda: _grid(root),
        DATASETS: lambda: _remembered(root),
        NOTES: lambda: read_notes(root),
    }
    for name in there:
        try:
            readers[name]()
        except IsADirectoryError:
            yield name, "is a folder"
        except (Corrupt, CorruptResults):
            yield name, "is not what the sweep wrote"


def _as_swept(root: Folder) -> None:
    """Raise Corrupt or CorruptResults unless `experiment.yaml` is a mapping and has the hash in `cells.json`."""
    read_experiment(root)
    try:
        expected = _grid(root).get(EXPERIMENT_HASH) if root.exists(CELLS) else None
    except (CorruptResults, IsADirectoryError):
        return
    if expected is not None and root.sha256(EXPERIMENT) != expected:
        raise Corrupt(f"{root.uri}/{EXPERIMENT}: its SHA-256 is not the recorded one")


def _recorded_fingerprints(root: Folder) -> dict[str, list[str]]:
    if not root.exists("runs.parquet"):
        return {}
    try:
        table = read_parquet(root.read("runs.parquet"), kind="runs", name=f"{root.uri}/runs.parquet")
    except Corrupt as error:
        raise CorruptResults(f"{error}, and {DATASETS} is damaged too; run the sweep into another --out") from error
    pairs = {
        (row["dataset"], row["dataset_fingerprint"])
        for row in table.select(["dataset", "dataset_fingerprint"]).to_pylist()
    }
    names = sorted({str(name) for name, _ in pairs})
    return {name: sorted(str(found) for dataset, found in pairs if dataset == name) for name in names}


def _keep(root: Folder, old: bytes) -> None:
    number = 1
    while not root.create(f"experiment-{number}.yaml", old):
        number += 1


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        return experiment_file.from_bytes(data)
    except ValueError:
        return None


def _difference(old: bytes, new: Mapping[str, Any]) -> tuple[str, ...]:
    before = _parsed(old)
    if before is None:
        return (f"the earlier {EXPERIMENT} could not be read",)
    flat_before, flat_after = _flat(before), _flat(new)
    keys = [*flat_before, *(key for key in flat_after if key not in flat_before)]
    pairs = [(key, flat_before.get(key, ABSENT), flat_after.get(key, ABSENT)) for key in keys]
    return tuple(f"{key}: {was} -> {now}" for key, was, now in pairs if was != now)


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        return {key: value}
    parts = [_flat(item, f"{key}.{name}" if key else str(name)) for name, item in value.items()]
    return {name: item for part in parts for name, item in part.items()}
