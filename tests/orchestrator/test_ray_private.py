"""What is private of Ray is there in the supported versions, and where it is not, a user is told what to do."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from orchestrator import ray_private
from orchestrator.commands import doctor
from orchestrator.errors import EXIT_ENVIRONMENT
from orchestrator.ray_private import RAY, TORCH
from tests.architecture.layers import ROOT
from trainables.system.private_parts import Library, PrivatePart, require

INSTALL = "pip install 'ray[default,train,tune]>=2.60,<2.61'"
VERSION = importlib.metadata.version("ray")
TAKE_AWAY = """
import importlib, sys
module, _, name = sys.argv.pop(1).rpartition(":")
owner = importlib.import_module(module)
*outer, name = name.split(".")
for each in outer:
    owner = getattr(owner, each)
delattr(owner, name)
"""
COMMAND = f"{TAKE_AWAY}\nfrom orchestrator.cli import main\nmain(sys.argv[1:])"
CONNECT = f"""import ray.train.torch, ray.tune  # as a Ray that has moved a part would import itself
{TAKE_AWAY}
import tempfile
from orchestrator.errors import EnvironmentProblem
tempfile.mkdtemp = None  # a cluster that starts has a folder first
try:
    from orchestrator.executors.ray_lanes.connection import connected
    from orchestrator.executors.ray_lanes.executor import RayLanes
    with connected(None, 1.0, 1.0):
        print("started")
except EnvironmentProblem as error:
    print(error)
    sys.exit(error.exit_code)
"""


def parts(module: object) -> list[PrivatePart]:
    """Every part that a module lists."""
    return [found for found in vars(module).values() if isinstance(found, PrivatePart)]


def fresh(code: str, part: PrivatePart, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh process whose Ray lacks this part."""
    command = [sys.executable, "-c", code, f"{part.module}:{part.name}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_installed_versions_have_every_part() -> None:
    found = parts(ray_private)
    assert len(found) > 20
    require(*found)


def test_every_part_is_asked_for_before_lanes_start_or_by_the_cluster_commands() -> None:
    later = [ray_private.PREPARE_CONFIG, ray_private.VALIDATE_CONFIG, ray_private.LAUNCHER]
    assert {str(part) for part in parts(ray_private)} == {str(part) for part in [*ray_private.LANES, *later]}


def test_the_bounds_are_those_of_the_package_and_of_the_versions_we_test_with() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    needed = {found.name: found for found in map(Requirement, declared)}
    tested = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    assert needed["ray"] == Requirement(f"{RAY.requirement}{RAY.supported}")
    assert needed["torch"].specifier == SpecifierSet(f">={TORCH.oldest}")
    for library in (RAY, TORCH):
        assert library.below == next_minor(tested[library.name])
        assert doctor.OLDEST_PACKAGES[library.name] == library.oldest


def next_minor(version: str) -> str:
    """2.60.0 -> 2.61."""
    major, minor, *_ = version.split(".")
    return f"{major}.{int(minor) + 1}"


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(ray_private.POPEN, id="replaced while Ray starts", marks=pytest.mark.soak),
        pytest.param(ray_private.NODE_DASHBOARD, id="in a class", marks=pytest.mark.soak),
        pytest.param(ray_private.CONTROLLER_CALLBACK, id="a base class"),
        pytest.param(ray_private.CREATE_STORE, id="of torch"),
    ],
)
def test_lanes_without_a_part_do_not_start_and_say_what_to_install(part: PrivatePart) -> None:
    answer = fresh(CONNECT, part)
    assert answer.returncode == EXIT_ENVIRONMENT, answer.stderr
    library: Library = part.library
    version = importlib.metadata.version(library.name)
    assert answer.stdout.strip() == (
        f"{library.name} {version} does not have {part} (needed {part.use}); "
        f"orchestrate works with {library.name}{library.supported}; run: {library.install}"
    )
    assert RAY.install == INSTALL


def test_a_command_ends_with_exit_code_4_and_no_traceback() -> None:
    file = ROOT / "docs" / "cluster-on-premise.yaml"
    answer = fresh(COMMAND, ray_private.VALIDATE_CONFIG, "cluster", "check", str(file))
    assert answer.returncode == EXIT_ENVIRONMENT, answer.stderr
    assert answer.stdout == ""
    assert (
        answer.stderr.split()
        == (
            f"error: ray {VERSION} does not have ray.autoscaler._private.util.validate_config (needed to check cluster "
            f"files); orchestrate works with ray>=2.60,<2.61; run: {INSTALL}"
        ).split()
    )


@pytest.mark.parametrize(("version", "state"), [("2.59.1", "problem"), ("2.60.3", "ok"), ("2.61.0rc1", "warning")])
def test_the_doctor_knows_which_versions_of_ray_are_supported(
    version: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    finding = doctor._package("ray", RAY.oldest)
    assert (finding.state, finding.text.split(",")[0]) == (state, version)
    assert finding.advice == ("" if state == "ok" else "pip install 'ray>=2.60,<2.61'")
