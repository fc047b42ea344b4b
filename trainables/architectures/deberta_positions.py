"""Computes DeBERTa's buckets of relative positions (He et al. 2021, arXiv:2006.03654) without a copy from the host.

In every forward pass, the library's function makes a one-element tensor on the host and copies it to the device: the
host waits for the device, and the step cannot be captured as a CUDA graph. Here the number is an argument, and the
buckets are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor


def bucket_positions(relative_pos: Tensor, bucket_size: int, max_position: int) -> Tensor:
    """Return buckets of relative positions of any shape: near ones have their own, far ones share logarithmically."""
    middle = bucket_size // 2
    is_near = (relative_pos < middle) & (relative_pos > -middle)
    distance = torch.where(is_near, middle - 1, torch.abs(relative_pos))
    scale = torch.log(torch.tensor((max_position - 1) / middle))  # stays on the host: a scalar divisor
    far = torch.ceil(torch.log(distance / middle) / scale * (middle - 1)) + middle
    return torch.where(distance <= middle, relative_pos.type_as(far), far * torch.sign(relative_pos))


def use_in_library() -> None:
    """Make the library's models in this process use it; calling it again changes nothing."""
    from transformers.models.deberta_v2 import modeling_deberta_v2

    modeling_deberta_v2.make_log_bucket_position = bucket_positions
