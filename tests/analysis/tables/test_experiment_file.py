"""`experiment.yaml` means what it meant, whether this program wrote it, an earlier one, or a person changed it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from analysis.tables import experiment_file
from tests.analysis.test_yaml_text import LOOKALIKES

CONTENT: dict[str, Any] = {
    "experiment": "6125e45",
    "models": {name: {"path": name} for name in LOOKALIKES},
    "labels": LOOKALIKES,
    "numbers": [0, 17, -3, 3e-05, 1e16, 1e300, 0.5, float("inf"), True, None],
}


def as_written_before(content: dict[str, Any]) -> bytes:
    """The file as sweeps wrote it until they said how it is read."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return experiment_file.MARK + text.encode()


def test_every_name_is_read_back_as_text_and_every_number_as_a_number() -> None:
    data = experiment_file.to_bytes(CONTENT)
    assert experiment_file.from_bytes(data) == CONTENT
    assert yaml.safe_load(data) == CONTENT
    assert data.startswith(experiment_file.MARK)


def test_a_file_of_an_earlier_program_means_what_it_meant() -> None:
    data = as_written_before(CONTENT)
    assert b"experiment: 6125e45\n" in data
    assert experiment_file.from_bytes(data) == CONTENT
    assert experiment_file.from_bytes(data.removeprefix(experiment_file.MARK)) == CONTENT


def test_a_number_that_a_person_writes_into_a_file_of_today_is_one() -> None:
    data = experiment_file.to_bytes({"learning_rate": 0.5}).replace(b"0.5", b"1e-4")
    assert experiment_file.from_bytes(data) == {"learning_rate": 1e-4}


@pytest.mark.parametrize(
    "data", [b"", b"- 1", b"a: [", b"a: \xff", b"a: " + b"9" * 5000, b"a: " + b"[" * 5000 + b"]" * 5000]
)
def test_a_file_that_holds_no_experiment_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        experiment_file.from_bytes(data)
