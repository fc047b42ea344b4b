"""Help, lists and checks answer at once: no torch, no Ray, no scipy or pandas, and well under half a second."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "ray", "pandas", "scipy", "transformers", "datasets", "matplotlib", "pyarrow", "rich")
PROBE = """
import json, sys
from orchestrator.cli import main
heavy = sys.argv.pop(1).split()
try:
    main(sys.argv[1:])
except SystemExit as exit:
    code = exit.code
print(json.dumps({"code": code, "loaded": sorted(set(sys.modules) & set(heavy))}), file=sys.stderr)
"""


def start(*arguments: str) -> dict[str, object]:
    """Exit code and heavy modules of a fresh process that runs one command."""
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, " ".join(HEAVY), *arguments], capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(answer.stderr.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["sweep", "--help"], ["list"], ["list", "models", "--json"], ["schema"], ["doctor"]],
    ids=" ".join,
)
def test_looking_loads_nothing_heavy(arguments: list[str]) -> None:
    shows_a_table = arguments in (["list"], ["doctor"])
    assert start(*arguments) == {"code": 0, "loaded": ["rich"] if shows_a_table else []}


@pytest.mark.parametrize(
    "arguments", [["validate", "quickstart"], ["validate", "cr-ecss", "--file-only"]], ids=" ".join
)
def test_checking_an_experiment_loads_neither_torch_nor_ray(arguments: list[str]) -> None:
    assert start(*arguments) == {"code": 0, "loaded": []}


def test_planning_loads_neither_torch_nor_ray_nor_transformers() -> None:
    found = start("plan", "quickstart")
    assert found["code"] == 0
    assert not {"torch", "ray", "transformers"} & set(found["loaded"])  # type: ignore[call-overload]


def test_help_answers_in_under_half_a_second_of_processor_time() -> None:
    code = "import time; from orchestrator.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
    code += "import sys; print(time.process_time(), file=sys.stderr)"
    seconds = []
    for _ in range(3):
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds.append(float(answer.stderr))
        time.sleep(0.01)
    assert min(seconds) < 0.5
