"""DeBERTa's relative positions are the library's, and no model that can be recorded copies from the host in a step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers.models.deberta_v2 import modeling_deberta_v2 as library

from trainables import architectures
from trainables.architectures.deberta_positions import bucket_positions

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 50}
DEBERTA = {
    **{"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16, "share_att_key": True},
    **{"position_biased_input": False, "type_vocab_size": 0, "max_relative_positions": -1},
}


@pytest.fixture
def as_the_library_has_it(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library's function; afterwards the library is as it was."""
    usual = library.make_log_bucket_position
    monkeypatch.setattr(library, "make_log_bucket_position", usual)
    return usual if usual is not bucket_positions else pytest.skip("another test of this process replaced it")


@pytest.mark.parametrize(("buckets", "positions"), [(256, 512), (32, 64), (16, 40)])
def test_the_buckets_are_those_of_the_library(as_the_library_has_it: Any, buckets: int, positions: int) -> None:
    relative = torch.arange(positions)[:, None] - torch.arange(2 * positions)[None]
    expected = as_the_library_has_it(relative, buckets, positions)
    found = bucket_positions(relative, buckets, positions)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


class Copies(TorchDispatchMode):
    """Operations that copy from the host to the device, or wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Execute, and note what is not the device's alone."""
        out = func(*args, **(kwargs or {}))
        tensors = (leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor))
        devices = {tensor.device.type for tensor in tensors}
        moves = str(func).startswith(("aten._to_copy", "aten.copy")) and len(devices) > 1
        if moves or str(func).startswith(("aten._local_scalar_dense", "aten.nonzero", "aten.equal")):
            self.found.append(str(func))
        return out


def copies(family: str) -> list[str]:
    """What a forward pass of a tiny model copies or waits for; its device has shapes and no numbers."""
    own = DEBERTA if family == "deberta-v2" else {}
    ids = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None, "cls_token_id": 1, "sep_token_id": 2}
    configuration = transformers.AutoConfig.for_model(family, **SIZES, **own, **ids)
    with torch.device("meta"):
        model = transformers.AutoModelForTokenClassification.from_config(configuration).train()
        batch = {name: torch.ones(2, 16, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    with Copies() as watch:
        model(**batch)
    return watch.found


FAMILIES = ["bert", "roberta", "modernbert", "deberta-v2"]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_forward_pass_that_may_be_recorded_copies_from_the_host(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "make_log_bucket_position", library.make_log_bucket_position)  # restored afterwards
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    architectures.patch_library(transformers.AutoConfig.for_model(family))
    assert copies(family) == []


@pytest.mark.usefixtures("as_the_library_has_it")
def test_the_library_s_own_deberta_copies_from_the_host() -> None:
    assert copies("deberta-v2") != []
