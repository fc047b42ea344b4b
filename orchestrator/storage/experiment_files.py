"""Files that say what the results belong to: the resolved experiment, its cells, its data's fingerprints, notes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from analysis.tables import experiment_file
from analysis.tables.checksummed_json import dump_checksummed, holds, load_checksummed
from analysis.tables.experiment_file import EXPERIMENT
from analysis.tables.folder import Folder
from analysis.tables.schema import Corrupt, read_parquet
from orchestrator.errors import CorruptResults, UserError
from orchestrator.storage.disk_errors import QUARANTINE, move_aside

CELLS, DATASETS, NOTES = "cells.json", "datasets.json", "notes.json"
ABSENT = "(absent)"
EXPERIMENT_HASH = "experiment_sha256"  # in cells.json; earlier versions did not write it


class DataChanged(UserError):
    """The data is not what the records of this results directory were made with."""


def write_experiment(
    root: Folder, experiment: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Write `experiment.yaml` and `cells.json`; return what changed since the last time, one line per key.

    An old file that differs is kept as `experiment-<n>.yaml`; nothing is written if nothing changed. `cells.json` holds
    the hash of `experiment.yaml`.
    """
    old = root.read(EXPERIMENT) if root.exists(EXPERIMENT) else None
    lines: tuple[str, ...] = ()
    if old is None or not _holds_experiment(old, experiment):
        data = experiment_file.to_bytes(experiment)
        if old is not None:
            lines = _difference(old, experiment_file.from_bytes(data))
            _keep(root, old)
        root.write(EXPERIMENT, data)
    content = {EXPERIMENT_HASH: root.sha256(EXPERIMENT), "cells": [dict(cell) for cell in cells]}
    if not (root.exists(CELLS) and holds(root.read(CELLS), content)):
        root.write(CELLS, dump_checksummed(content))
    return lines


def _holds_experiment(data: bytes, experiment: Mapping[str, Any]) -> bool:
    """Return whether a file holds this experiment, including the order of its keys and the types of its values."""
    return json.dumps(_parsed(data), default=str) == json.dumps(dict(experiment), default=str)


def write_notes(root: Folder, notes: Sequence[str]) -> None:
    """Store what every reader of the results must know about the data; reports repeat it."""
    data = dump_checksummed({"notes": list(notes)})
    if not (root.exists(NOTES) and root.read(NOTES) == data):
        root.write(NOTES, data)


def read_notes(root: Folder) -> tuple[str, ...]:
    """Return the notes of the last sweep; () before the first one. Raises CorruptResults."""
    if not root.exists(NOTES):
        return ()
    data = root.read(NOTES)
    try:
        content = json.loads(data)  # earlier versions wrote it without a hash
        return tuple(map(str, (content if set(content) == {"notes"} else load_checksummed(data, NOTES))["notes"]))
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptResults(f"{root.uri}/{NOTES} is damaged; running the sweep again rewrites it") from error


def read_experiment(root: Folder) -> dict[str, Any] | None:
    """Return the resolved experiment; None before the first sweep. Raises CorruptResults if it is not a mapping."""
    if not root.exists(EXPERIMENT):
        return None
    content = _parsed(root.read(EXPERIMENT))
    if content is None:
        raise CorruptResults(f"{root.uri}/{EXPERIMENT} is damaged; running the sweep again rewrites it")
    return content


def read_cells(root: Folder) -> list[dict[str, Any]]:
    """Return the cells of the current grid, in its order; [] before the first sweep. Raises CorruptResults."""
    if not root.exists(CELLS):
        return []
    return list(_grid(root)["cells"])


def _grid(root: Folder) -> dict[str, Any]:
    label = f"{root.uri}/{CELLS}"
    try:
        content = load_checksummed(root.read(CELLS), label)
        if "cells" not in content:
            raise Corrupt(f"{label}: is not a list of cells")
    except Corrupt as error:
        raise CorruptResults(f"{error}; running the sweep again rewrites it") from error
    return content


def check_fingerprint(root: Folder, dataset: str, fingerprint: str, accept: bool) -> None:
    """Store a data set's fingerprint, or compare it with the stored one.

    Raises DataChanged with both fingerprints unless `accept`, CorruptResults if the stored ones are lost.
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
    root.write(DATASETS, dump_checksummed({**known, dataset: [fingerprint]}))


def _fingerprints(root: Folder, accept: bool) -> dict[str, list[str]]:
    """Return data set -> the fingerprints it may have; from the compacted `runs` if the file is damaged."""
    if not root.exists(DATASETS):
        return {}
    try:
        return _stored_fingerprints(root)
    except Corrupt as error:
        if not root.exists("runs.parquet") and not accept:
            raise CorruptResults(f"{error}; pass --accept-new-data if the data has not changed") from error
        recorded = _recorded_fingerprints(root)
        move_aside(root, DATASETS, QUARANTINE)
        return recorded


def _stored_fingerprints(root: Folder) -> dict[str, list[str]]:
    content = load_checksummed(root.read(DATASETS), f"{root.uri}/{DATASETS}")
    if not all(isinstance(fingerprints, list) for fingerprints in content.values()):
        raise Corrupt(f"{root.uri}/{DATASETS}: is not a list of data sets")
    return content


def rebuild_fingerprints(root: Folder) -> None:
    """Rewrite `datasets.json` from the compacted `runs`, which must be whole; set the old file aside."""
    known = _recorded_fingerprints(root)
    if root.exists(DATASETS):
        move_aside(root, DATASETS, QUARANTINE)
    root.write(DATASETS, dump_checksummed(known))


def unsound(root: Folder) -> Iterator[tuple[str, str]]:
    """Yield each of the four files that is not as it was written, with the reason: `missing`, or what is wrong.

    None is missing if no sweep was ever started. `notes.json` may be missing: earlier versions wrote none.
    """
    there = [name for name in (EXPERIMENT, CELLS, DATASETS, NOTES) if root.exists(name)]
    yield from ((name, "missing") for name in (EXPERIMENT, CELLS, DATASETS) if there and name not in there)
    readers: dict[str, Callable[[], object]] = {
        EXPERIMENT: lambda: _as_swept(root),
        CELLS: lambda: _grid(root),
        DATASETS: lambda: _stored_fingerprints(root),
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
    return {name: sorted(str(fingerprint) for dataset, fingerprint in pairs if dataset == name) for name in names}


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
