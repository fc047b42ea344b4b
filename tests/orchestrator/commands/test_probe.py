"""What `orchestrate probe` says of kernels: which it tried, which failed, and whether the experiment would use them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from orchestrator.cli.profile import fault, kernels_table
from orchestrator.commands.probe import KernelProbed, is_broken, probe_kernels
from tests.orchestrator.experiments import resolved, write_experiment
from trainables.system.hardware import this_machine

MODELS = {"tiny": {"path": "model", "precision": "fp32"}}
SOUND = KernelProbed("cudnn", 64, 128, "bf16", 0.1, "finite", allowed=False, configured=False)
WRONG = replace(SOUND, length=192, result="not finite", reason="NaN in the gradient of the query with a mask")


def typed(*arguments: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.skipif(bool(this_machine().gpus), reason="the kernels of a processor are known")
def test_a_probe_tries_the_kernels_of_the_machine_alone(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, models=MODELS, seeds="1")
    given = ["--lengths", "16", "--precisions", "fp32", "--steps", "1", "--kernel-lengths", "64,192"]
    result = typed("probe", str(path), *given, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert [probe["result"] for probe in document["probes"]] == ["finite"]
    found = {(one["kernel"], one["length"], one["dropout"]): one for one in document["kernels"]}
    assert {case: one["result"] for case, one in found.items()} == {
        **{("math", length, dropout): "finite" for length in (64, 192) for dropout in (0.0, 0.1)},
        **{("flash", length, 0.0): "finite" for length in (64, 192)},
        **{("flash", length, 0.1): "not here" for length in (64, 192)},
    }
    assert {(one["head_size"], one["allowed"], one["configured"]) for one in document["kernels"]} == {(16, True, True)}


def test_kernels_can_be_left_out_and_lengths_have_to_be_numbers(tmp_path: Path) -> None:
    assert probe_kernels(resolved(tmp_path), lengths=()) == []
    refused = typed("probe", str(tmp_path / "tiny.yaml"), "--kernel-lengths", "64,3")
    assert refused.exit_code == 2
    assert "--kernel-lengths must be whole numbers of at least 4, got '64,3'" in refused.stderr


def test_a_failing_kernel_is_named_with_all_that_it_takes_to_see_it_fail() -> None:
    text = kernels_table([SOUND, WRONG, replace(SOUND, kernel="math", allowed=True)])
    assert fault(WRONG) in text
    assert fault(WRONG) == (
        "sdpa/cudnn: NaN in the gradient of the query with a mask, at length 192 in bf16 with dropout, heads of 64"
    )
    lines = [line.split() for line in text.splitlines()]
    assert ["cudnn", "64", "bf16", "128", "192"] in lines
    assert ["math", "*", "64", "bf16", "128", "-"] in lines


@pytest.mark.parametrize(
    ("result", "configured", "broken"),
    [
        ("not finite", True, True),
        ("inaccurate", True, True),
        ("not finite", False, False),
        ("finite", True, False),
        ("not here", True, False),
    ],
)
def test_only_what_the_experiment_would_use_can_make_a_probe_fail(result: str, configured: bool, broken: bool) -> None:
    assert is_broken(replace(WRONG, result=result, configured=configured)) == broken
