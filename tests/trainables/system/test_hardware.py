"""Which precision a machine computes natively decides what a preset trains in."""

from __future__ import annotations

import pytest

from trainables import models
from trainables.system.hardware import Gpu, Hardware, hardware_name, this_machine, training_hardware


def _cpu(*flags: str) -> Hardware:
    return Hardware("a processor", frozenset(flags), ())


def _gpu(capability: float) -> Hardware:
    return Hardware("a processor", frozenset({"avx512_bf16"}), (Gpu("a card", capability, 16.0),))


def test_a_processor_has_bf16_only_with_the_instructions_for_it() -> None:
    assert _cpu("avx512_bf16").supports("bf16")
    assert _cpu("amx_bf16").supports("bf16")
    assert not _cpu("avx2", "avx512f").supports("bf16")
    assert not _cpu("avx512_bf16").supports("fp16")
    assert _cpu().supports("fp32")


def test_the_card_decides_where_there_is_one() -> None:
    assert _gpu(9.0).supports("bf16")
    assert not _gpu(7.5).supports("bf16")
    assert _gpu(7.5).supports("fp16")
    assert _gpu(7.5).device == "a card"


@pytest.mark.parametrize(
    ("capability", "automatic"),
    [
        (3.5, "fp32"),
        (6.0, "fp32"),
        (6.1, "fp32"),
        (7.0, "fp16"),
        (7.5, "fp16"),
        (8.0, "bf16"),
        (8.9, "bf16"),
        (9.0, "bf16"),
        (10.0, "bf16"),
        (12.0, "bf16"),
    ],
)
def test_a_card_s_automatic_precision_follows_from_its_capability(capability: float, automatic: str) -> None:
    assert _gpu(capability).automatic == automatic


def test_the_oldest_card_and_a_processor_s_instructions_decide() -> None:
    cards = tuple(Gpu("a card", capability, 16.0) for capability in (9.0, 7.5))
    assert Hardware("a processor", frozenset(), cards).automatic == "fp16"
    assert _cpu("avx512_bf16").automatic == "bf16"
    assert _cpu("avx512f").automatic == "fp32"


def test_this_machine_has_a_name() -> None:
    assert this_machine().cpu
    assert hardware_name("cpu") == this_machine().cpu


def test_a_head_without_gpus_is_told_what_runs_train_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATE_GPUS", "8 x NVIDIA B200, 10.0, 183359")
    found = training_hardware()
    assert found.gpus == (Gpu("NVIDIA B200", 10.0, 183359 / 1024),) * 8
    assert found.cpu == this_machine().cpu
    assert models.resolve("minilm-l6").precision == "bf16"
    monkeypatch.setenv("ORCHESTRATE_GPUS", "4 x Tesla V100, 7.0, 16384")
    assert models.resolve("minilm-l6").precision == "fp16"
    monkeypatch.setenv("ORCHESTRATE_GPUS", "4 x Tesla P40, 6.1, 24576")
    assert models.resolve("minilm-l6").precision == "fp32"
    monkeypatch.delenv("ORCHESTRATE_GPUS")
    assert training_hardware() == this_machine()


@pytest.mark.parametrize(
    "text", ["8", "8 x", "B200, 10.0, 1", "0 x B200, 10.0, 1", "8 x B200, ten, 1", "-1 x B200, 1, 1"]
)
def test_what_is_said_of_other_machines_has_to_be_readable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ORCHESTRATE_GPUS", text)
    with pytest.raises(ValueError, match=r"ORCHESTRATE_GPUS is .* it should look like"):
        training_hardware()
