"""The doctor finds what is missing and says what to do; on the machine of the tests nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.commands import doctor
from orchestrator.commands.doctor import MachineCheck, examine


def finding(name: str, found: list[MachineCheck]) -> MachineCheck:
    """The finding of this name."""
    return next(finding for finding in found if finding.name == name)


def test_a_machine_that_runs_the_tests_has_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCHESTRATE_DATA", raising=False)
    found = examine(tmp_path / "not" / "there" / "yet")
    assert [finding for finding in found if finding.state == "problem"] == []
    assert {"python", "ray", "torch", "dashboard", "disk", "gpus", "shared memory", "quickstart", "data"} <= {
        finding.name for finding in found
    }


def test_every_finding_that_is_not_ok_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATE_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(doctor, "OLDEST_PACKAGES", {"ray": "999", "no-such-package": "1"})
    monkeypatch.setattr(doctor, "DASHBOARD_MODULES", ("no_such_module",))
    monkeypatch.setattr(doctor, "LOW_DISK_GIB", 1e9)
    found = examine(tmp_path)
    assert finding("ray", found).advice == "pip install 'ray>=999,<2.61'"
    assert finding("no-such-package", found).text == "not installed"
    assert "ray[default,train,tune]" in finding("dashboard", found).advice
    assert finding("disk", found).state == "warning"
    assert finding("data", found).state == "problem"
    assert all(finding.advice for finding in found if finding.state != "ok")


def test_data_sets_under_the_data_folder_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cr_ecss").mkdir()
    monkeypatch.setenv("ORCHESTRATE_DATA", str(tmp_path))
    assert finding("data", examine(tmp_path)).text.endswith("in it: cr-ecss")


@pytest.mark.parametrize(
    ("version", "numbers"), [("2.13.0+cpu", (2, 13, 0)), ("5.3", (5, 3)), ("4.0.0rc1", (4, 0)), ("3", (3,))]
)
def test_versions_are_compared_by_their_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert doctor._numbers(version) == numbers
