"""Uses private parts of libraries, which may move in any version: looks them up late and reports missing ones clearly.

The parts of torch are here, each with what it is needed for and why nothing public serves. Those of Ray, and what Ray's
lanes need of `torch.distributed`, are in `orchestrator/ray_private.py`. No other file may use such parts
(tests/architecture/private_use.py).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_ABSENT = object()


class PrivatePartMissing(RuntimeError):
    """The installed version of a library lacks a private part; the message says which versions have it."""


@dataclass(frozen=True)
class Library:
    """A library and the versions we test with: from `oldest` to the last one before `below`.

    `requirement` is what pip installs. `error` is the exception for a missing part.
    """

    name: str
    requirement: str
    oldest: str
    below: str
    error: type[Exception] = PrivatePartMissing

    @property
    def supported(self) -> str:
        """The supported versions as pip writes them: `>=2.60,<2.61`."""
        return f">={self.oldest},<{self.below}"

    @property
    def install(self) -> str:
        """The command that installs a supported version."""
        return f"pip install '{self.requirement}{self.supported}'"


@dataclass(frozen=True)
class PrivatePart:
    """A name in a module, or a module itself (if `name` is empty). `use` completes "needed ..." in messages.

    The name may lead into a class: `Node.webui_url`.
    """

    library: Library
    module: str
    name: str
    use: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}".rstrip(".")

    def get(self) -> Any:
        """Return its current value. Raises the library's error if it is missing."""
        require(self)
        return self._value()

    def put(self, value: Any) -> None:
        """Replace it for the rest of this process. Raises the library's error if it is missing."""
        require(self)
        owner, name = self._owner_and_name()
        setattr(owner, name, value)

    @contextmanager
    def replaced(self, value: Any) -> Iterator[None]:
        """Replace it while the context lasts. Raises the library's error if it is missing."""
        usual = self.get()
        self.put(value)
        try:
            yield
        finally:
            self.put(usual)

    def is_missing(self) -> bool:
        """Return whether the installed version lacks it. Errors from importing a module that exists are not hidden."""
        try:
            if not self.name:
                return importlib.util.find_spec(self.module) is None
            return self._value() is _ABSENT
        except ModuleNotFoundError as error:
            if error.name is None or not f"{self.module}.".startswith(f"{error.name}."):
                raise
            return True

    def _value(self) -> Any:
        owner, name = self._owner_and_name()
        return getattr(owner, name, _ABSENT) if name else owner

    def _owner_and_name(self) -> tuple[Any, str]:
        """Return the object that holds the part, and the part's name there."""
        owner: Any = importlib.import_module(self.module)
        *outer, name = self.name.split(".")
        for each in outer:
            owner = getattr(owner, each, _ABSENT)
        return owner, name


def require(*parts: PrivatePart) -> None:
    """Raise the library's error if its installed version lacks any of these parts; the message names them."""
    missing = [part for part in parts if part.is_missing()]
    if missing:
        library = missing[0].library
        raise library.error(_message(library, [part for part in missing if part.library == library]))


def _message(library: Library, missing: list[PrivatePart]) -> str:
    try:
        version = importlib.metadata.version(library.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{library.name} is not installed; run: {library.install}"
    names = "; ".join(f"{part} (needed {part.use})" for part in missing)
    return (
        f"{library.name} {version} does not have {names}; "
        f"orchestrate works with {library.name}{library.supported}; run: {library.install}"
    )


TORCH = Library("torch", "torch", oldest="2.11", below="2.14")

# `Library` has no public way to end it: it ends with its last reference, and until then other code uses our masks.
DESTROY_LIBRARY = PrivatePart(TORCH, "torch.library", "Library._destroy", "to give torch its own dropout masks back")
# `torch.compiler.config` has these limits too, but not in the oldest version that we support.
_DYNAMO_PATCH = PrivatePart(TORCH, "torch._dynamo.config", "patch", "to limit how often torch_compile compiles anew")
# `torch.compile` takes either a mode or options, and options only for inductor.
_INDUCTOR_PATCH = PrivatePart(TORCH, "torch._inductor.config", "patch", "to keep the usual masks with torch_compile")
# Its public base class is RuntimeError, which is too general.
RECOMPILE_LIMIT_HIT = PrivatePart(
    TORCH, "torch._dynamo.exc", "FailOnRecompileLimitHit", "to notice a model that torch_compile compiles too often"
)


@contextmanager
def strict_compiling(recompile_limit: int, *, usual_masks: bool) -> Iterator[None]:
    """Raise if a function is compiled more often than this; with `usual_masks`, dropout stays torch's own."""
    require(_DYNAMO_PATCH, _INDUCTOR_PATCH, RECOMPILE_LIMIT_HIT)
    limits = {"recompile_limit": recompile_limit, "accumulated_recompile_limit": 64 * recompile_limit}
    masks = _INDUCTOR_PATCH.get()(fallback_random=usual_masks)
    with masks, _DYNAMO_PATCH.get()(**limits, fail_on_recompile_limit_hit=True):
        yield


def may_have_compiled() -> bool:
    """Return whether this process may have compiled anything; asking `torch.compiler` would import the compiler."""
    return "torch._dynamo" in sys.modules


def uncompiled(model: Any) -> Any:
    """Return the module that `torch.compile` wrapped, else the model itself; there is no public way back."""
    return getattr(model, "_orig_mod", model)
