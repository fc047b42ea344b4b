"""All that the product uses of torch without torch's promise to keep it, in this file alone.

Each part says what it is needed for, and the comment above it why nothing public serves. What Ray's lanes need of
`torch.distributed` is in `orchestrator/ray_private.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainables.system.private_parts import Library, PrivatePart, require

TORCH = Library("torch", "torch", oldest="2.11", below="2.14")

# `Library` has no public end: it ends with its last reference, and until then other code draws masks as we do.
DESTROY_LIBRARY = PrivatePart(TORCH, "torch.library", "Library._destroy", "to give torch its own dropout masks back")
# `torch.compiler.config` has these limits, too, but only in newer versions than the oldest that is supported.
_DYNAMO_PATCH = PrivatePart(TORCH, "torch._dynamo.config", "patch", "to limit how often torch_compile compiles anew")
# `torch.compile` takes either a mode or options, and these for inductor alone.
_INDUCTOR_PATCH = PrivatePart(TORCH, "torch._inductor.config", "patch", "to keep the usual masks with torch_compile")
# Its public base class is RuntimeError, which says nothing.
RECOMPILE_LIMIT_HIT = PrivatePart(
    TORCH, "torch._dynamo.exc", "FailOnRecompileLimitHit", "to notice a model that torch_compile compiles too often"
)


@contextmanager
def strict_compiling(recompile_limit: int, *, usual_masks: bool) -> Iterator[None]:
    """A function that is compiled more often than this raises; `usual_masks`: dropout stays torch's own operation."""
    require(_DYNAMO_PATCH, _INDUCTOR_PATCH, RECOMPILE_LIMIT_HIT)
    limits = {"recompile_limit": recompile_limit, "accumulated_recompile_limit": 64 * recompile_limit}
    masks = _INDUCTOR_PATCH.get()(fallback_random=usual_masks)
    with masks, _DYNAMO_PATCH.get()(**limits, fail_on_recompile_limit_hit=True):
        yield


def may_have_compiled() -> bool:
    """Whether anything may have been compiled in this process; asking `torch.compiler` would import the compiler."""
    return "torch._dynamo" in sys.modules


def uncompiled(model: Any) -> Any:
    """The module that `torch.compile` has wrapped, else the model itself; there is no public way back."""
    return getattr(model, "_orig_mod", model)
