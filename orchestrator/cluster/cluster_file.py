"""Reads a cluster file as strictly as an experiment and checks it with Ray's own schema; contacts no machine."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator import ray_private
from orchestrator.config import yaml_file
from orchestrator.config.key_names import suggestion
from orchestrator.config.yaml_file import Document, KeyPath
from orchestrator.errors import InvalidExperiment, Problem

PLACEHOLDER = "CHANGE-ME"
EXAMPLE_ADDRESSES = ("192.0.2.", "198.51.100.", "203.0.113.")  # reserved for documentation (RFC 5737)
METADATA = ("results", "data", "ssh_from")
PROVIDERS = ("aws", "local")
_PROVIDER_KEYS = {
    "local": ("type", "head_ip", "worker_ips", "external_head_ip", "coordinator_address"),
    "aws": (
        "type",
        "region",
        "availability_zone",
        "cache_stopped_nodes",
        "use_internal_ips",
        "security_group",
        "key_pair",
        "cloudwatch",
        "disable_node_updaters",
        "disable_launch_config_check",
        "worker_liveness_check",
        "worker_rpc_drain",
        "foreground_node_launch",
    ),
}


@dataclass(frozen=True)
class ClusterFile:
    """A file that Ray's launcher accepts. `config` is its content, with the provider's defaults from Ray."""

    path: Path
    document: Document
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The cluster's name."""
        return str(self.config["cluster_name"])

    @property
    def provider(self) -> str:
        """What starts its machines: aws, local, ..."""
        return str(self.config["provider"]["type"])

    @property
    def metadata(self) -> Mapping[str, str]:
        """The part of the file for us, not for Ray: where results and data are on the cluster."""
        return dict(self.config.get("metadata") or {})

    def placeholders(self) -> list[Problem]:
        """Return a problem for each value still to be filled in."""
        values = [(path, value) for path, value in _leaves(self.document.content, ()) if is_placeholder(str(value))]
        return [self.document.problem(path, f"still says {value}") for path, value in values]

    def filled_in(self) -> ClusterFile:
        """Return this file. Raises InvalidExperiment if values are still to be filled in."""
        if unfilled := self.placeholders():
            raise InvalidExperiment(self.document.source, unfilled)
        return self


def is_placeholder(value: str) -> bool:
    """Return whether a value is a placeholder of the file that comes with this project."""
    return PLACEHOLDER in value or value.startswith(EXAMPLE_ADDRESSES)


def read(path: Path) -> ClusterFile:
    """Read and check a file. Raises InvalidExperiment with every problem, each with its line."""
    document = yaml_file.read(path)
    problems = _as_ray_reads_it(document, path) or [*_schema_problems(document), *_own_problems(document)]
    if problems:
        raise InvalidExperiment(document.source, problems)
    config = {**_defaults(document.content["provider"]["type"]), **document.content}
    problems = _launcher_problems(document)
    if problems:
        raise InvalidExperiment(document.source, problems)
    return ClusterFile(path, document, config)


def _as_ray_reads_it(document: Document, path: Path) -> list[Problem]:
    """Return values that Ray reads differently: it reads YAML 1.1, and would run something else than we check."""
    theirs = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    return [
        document.problem(where, f"Ray's launcher reads this as {value!r}: quote it, or write it differently")
        for where, value in _differences(document.content, theirs, ())
    ]


def _differences(ours: Any, theirs: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for key, value in ours.items():
            yield from _differences(value, theirs[key], (*path, key))
    elif isinstance(ours, list) and isinstance(theirs, list):
        for index, (value, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(value, other, (*path, index))
    elif type(ours) is not type(theirs) or ours != theirs:
        yield path, theirs


def _schema_problems(document: Document) -> list[Problem]:
    from jsonschema import Draft7Validator  # type: ignore[import-untyped]

    return [
        problem
        for error in Draft7Validator(_schema()).iter_errors(document.content)
        for problem in _schema_problem(document, error)
    ]


def _schema_problem(document: Document, error: Any) -> Iterator[Problem]:
    path: KeyPath = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        for key in sorted(set(error.instance) - set(known)):
            yield document.problem((*path, key), f"unknown key {key!r}{suggestion(key, known)}")
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        yield document.problem(path, f"needs {' and '.join(map(repr, missing))}")
    else:
        yield document.problem(path, error.message)


def _own_problems(document: Document) -> list[Problem]:
    """Return what Ray's schema does not check: the keys of `provider` and of `metadata`."""
    problems = [
        document.problem((section, key), f"unknown key {key!r}{suggestion(key, known)}")
        for section, known in (("metadata", METADATA), ("provider", _PROVIDER_KEYS.get(_provider_of(document), ())))
        for key in _mapping(document, section)
        if known and key not in known
    ]
    for key, value in _mapping(document, "metadata").items():
        if not isinstance(value, str) or not value:
            problems.append(document.problem(("metadata", key), f"must be text, got {value!r}"))
    if _provider_of(document) == "local" and "coordinator_address" not in _mapping(document, "provider"):
        missing = [key for key in ("head_ip", "worker_ips") if key not in _mapping(document, "provider")]
        problems += [document.problem(("provider",), f"needs {key!r}") for key in missing]
    return problems


def _mapping(document: Document, section: str) -> dict[str, Any]:
    content = document.content.get(section)
    return content if isinstance(content, dict) else {}


def _provider_of(document: Document) -> str:
    return str(_mapping(document, "provider").get("type"))


def _launcher_problems(document: Document) -> list[Problem]:
    """Return what only Ray's launcher finds, e.g. a minimum of workers above the maximum. Contacts no machine."""
    import click

    prepare, validate = ray_private.PREPARE_CONFIG.get(), ray_private.VALIDATE_CONFIG.get()
    content = copy.deepcopy(document.content)
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), _quiet():
            validate(prepare(content))
    except (ValueError, RuntimeError, KeyError, AttributeError, click.ClickException) as error:
        message = " ".join(f"{output.getvalue()} {error}".split()) or "Ray's launcher refuses it; `ray up` says why"
        return [document.problem(_section(content), message)]
    return []


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Ray's launcher, which logs the values that it fills in."""
    logger = logging.getLogger("ray.autoscaler")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _section(content: Mapping[str, Any]) -> KeyPath:
    return ("provider",) if content["provider"]["type"] == "local" else ("available_node_types",)


@functools.cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(ray_private.launcher_file("ray-schema.json").read_text(encoding="utf-8"))
    return schema


def _defaults(provider: str) -> dict[str, Any]:
    path = ray_private.launcher_file(f"{provider}/defaults.yaml")
    defaults: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return defaults


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value
