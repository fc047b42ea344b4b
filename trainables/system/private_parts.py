"""Parts that a library keeps to itself and may move in any version: looked up late, and missed in plain words.

Here are those of torch, each with what it is needed for and why nothing public serves; those of Ray, also what Ray's
lanes need of `torch.distributed`, are in `orchestrator/ray_private.py`. No other file may use such a part
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
    """The installed version of a library has no such part any more; the message says which versions do."""


@dataclass(frozen=True)
class Library:
    """A library and the versions that we are tested with: from `oldest` to the last one before `below`.

    `requirement` is what pip installs. `error` is what a missing part raises.
    """

    name: str
    requirement: str
    oldest: str
    below: str
    error: type[Exception] = PrivatePartMissing

    @property
    def supported(self) -> str:
        """The versions as pip writes them: `>=2.60,<2.61`."""
        return f">={self.oldest},<{self.below}"

    @property
    def install(self) -> str:
        """The command that installs a version that is supported."""
        return f"pip install '{self.requirement}{self.supported}'"


@dataclass(frozen=True)
class PrivatePart:
    """A name in a module, or a module (`name` empty). `use` says what it is needed for, as a message says it.

    The name may lead into a class: `Node.webui_url`.
    """

    library: Library
    module: str
    name: str
    use: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}".rstrip(".")

    def get(self) -> Any:
        """What it is now. Raises the library's error where it is missing."""
        require(self)
        return self._found()

    def put(self, value: Any) -> None:
        """Put something else in its place, for the rest of this process. Raises the library's error."""
        require(self)
        owner, name = self._place()
        setattr(owner, name, value)

    @contextmanager
    def replaced(self, value: Any) -> Iterator[None]:
        """Put something else in its place while the context lasts. Raises the library's error."""
        usual = self.get()
        self.put(value)
        try:
            yield
        finally:
            self.put(usual)

    def is_missing(self) -> bool:
        """Whether the installed version lacks it. A module that is there and cannot be imported raises as it does."""
        try:
            if not self.name:
                return importlib.util.find_spec(self.module) is None
            return self._found() is _ABSENT
        except ModuleNotFoundError as error:
            if error.name is None or not f"{self.module}.".startswith(f"{error.name}."):
                raise
            return True

    def _found(self) -> Any:
        owner, name = self._place()
        return getattr(owner, name, _ABSENT) if name else owner

    def _place(self) -> tuple[Any, str]:
        """What holds the part, and by which name."""
        owner: Any = importlib.import_module(self.module)
        *outer, name = self.name.split(".")
        for each in outer:
            owner = getattr(owner, each, _ABSENT)
        return owner, name


def require(*parts: PrivatePart) -> None:
    """Raise a library's error that names those of the parts which its installed version lacks, if it lacks any."""
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
