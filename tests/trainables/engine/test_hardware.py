"""Which precision a machine computes natively decides what a preset trains in."""

from __future__ import annotations

from trainables.engine.hardware import Gpu, Hardware, hardware_name, this_machine


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


def test_this_machine_has_a_name() -> None:
    assert this_machine().cpu
    assert hardware_name("cpu") == this_machine().cpu
