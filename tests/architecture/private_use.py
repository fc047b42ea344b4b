"""Where a file uses what Ray or torch keep to themselves, or puts something in the place of a part of theirs.

Read from its source: imports of private modules and names, dotted names that lead to them from an import, texts that
name them, `super()._name` in a class with a base of theirs, and assignments to attributes of what was imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.imports import parsed

LIBRARIES = ("ray", "torch")
PRIVATE_PLACES = ("ray.scripts", "ray.tune.experimental", "torch.distributed.rendezvous")
"""Private, too, for all that their names do not say so. `rendezvous` is the module and not the function of the name."""

PUBLIC_SETTINGS = ("torch.backends",)
"""Attributes of these are documented switches, and are there to be set."""

CHANGING = ("setattr", "delattr")


def private_uses(path: Path) -> list[str]:
    """Every use, as `line: what`."""
    tree = parsed(path)
    names = _names(tree)
    return [f"{line}: {what}" for node in ast.walk(tree) for line, what in _uses(node, names)]


def _names(tree: ast.Module) -> dict[str, str]:
    """What the names of a file stand for, where that is of Ray or torch; the value of a call ends with `()`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                names[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    names = {name: dotted for name, dotted in names.items() if _of_a_library(dotted)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            dotted = _dotted(node.value, names)
            if dotted is not None:
                names.setdefault(node.targets[0].id, dotted)
    return names


def _of_a_library(dotted: str) -> bool:
    return dotted.partition(".")[0].removesuffix("()") in LIBRARIES


def _dotted(node: ast.AST, names: dict[str, str]) -> str | None:
    """The dotted name of an expression that starts with one of these names."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Call):
        if _is_import(node) and isinstance(node.args[0], ast.Constant) and _of_a_library(str(node.args[0].value)):
            return str(node.args[0].value)
        called = _dotted(node.func, names)
        return called and f"{called}()"
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, names)
        return owner and f"{owner}.{node.attr}"
    return None


def _is_import(node: ast.Call) -> bool:
    return bool(node.args) and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__")


def _uses(node: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names if _is_private(alias.name))
    elif isinstance(node, ast.ImportFrom):
        found = (f"{node.module}.{alias.name}" for alias in node.names)
        yield from ((node.lineno, name) for name in found if _is_private(name) and name not in PRIVATE_PLACES)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        if re.fullmatch(r"\w+(\.\w+)+", node.value) and _is_private(node.value):
            yield node.lineno, node.value
    elif isinstance(node, ast.ClassDef):
        yield from _of_bases(node, names)
    elif isinstance(node, ast.Call):
        yield from _by_call(node, names)
    elif isinstance(node, ast.Attribute):
        yield from _of_attribute(node, names)


def _is_private(dotted: str) -> bool:
    """Whether one of its parts begins with an underscore, `__version__` and the like left out."""
    if not _of_a_library(dotted):
        return False
    parts = dotted.replace("()", "").split(".")
    place = any(f"{dotted}.".startswith(f"{known}.") for known in PRIVATE_PLACES)
    return place or any(part.startswith("_") and not part.startswith("__") for part in parts)


def _of_attribute(node: ast.Attribute, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """A private attribute, or any that is set or deleted; what a call returned is ours to change."""
    owner = _dotted(node.value, names)
    if owner is None:
        return
    changed = not isinstance(node.ctx, ast.Load) and _is_changed(owner)
    if changed or (node.attr.startswith("_") and _is_private(f"{owner}.{node.attr}")):
        yield node.lineno, f"{owner}.{node.attr}{' is changed' if changed else ''}"


def _is_changed(owner: str) -> bool:
    """Whether setting an attribute of this changes a library, and neither one value nor a setting of it."""
    return "()" not in owner and not owner.startswith(PUBLIC_SETTINGS)


def _by_call(node: ast.Call, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """`setattr`, `delattr` and `getattr` with what was imported."""
    word = node.func.id if isinstance(node.func, ast.Name) else None
    owner = _dotted(node.args[0], names) if len(node.args) > 1 else None
    if owner is None:
        return
    name = node.args[1].value if isinstance(node.args[1], ast.Constant) else "?"
    if word in CHANGING and _is_changed(owner):
        yield node.lineno, f"{owner}.{name} is changed"
    elif word in ("getattr", "hasattr") and _is_private(f"{owner}.{name}"):
        yield node.lineno, f"{owner}.{name}"


def _of_bases(node: ast.ClassDef, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """What a class asks of its base by `super()`."""
    base = next((found for base in node.bases if (found := _dotted(base, names))), None)
    for inner in ast.walk(node) if base else ():
        is_asked = isinstance(inner, ast.Attribute) and ast.unparse(inner.value) == "super()"
        if is_asked and _is_private(f"{base}.{inner.attr}"):
            yield inner.lineno, f"{base}.{inner.attr}"
