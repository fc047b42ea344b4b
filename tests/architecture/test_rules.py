"""The rules of the house hold: which package imports which, what is imported only on demand, what stays small."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.tables.schema import RUNS
from tests.architecture.imports import PACKAGES, parsed
from tests.architecture.layers import ROOT
from tests.architecture.private_use import private_uses

FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
TRAINABLES_MAY_IMPORT = (
    "analysis.metrics",
    "analysis.registry",
    "analysis.tables.durable_files",
    "analysis.tables.folder",
)
RAY_MAY_BE_IMPORTED_IN = ("orchestrator/executors/ray_lanes/", "orchestrator/cluster/", "orchestrator/ray_private.py")
PRIVATE_PARTS_OF = {"ray": "orchestrator/ray_private.py", "torch": "trainables/system/private_parts.py"}


def relative(path: Path) -> str:
    """The path as the tree shows it."""
    return path.relative_to(ROOT).as_posix()


def imported(path: Path, *, at_module_level: bool = False) -> Iterator[str]:
    """Every module that a file imports; type-checking imports are left out."""
    for node in _nodes(parsed(path), at_module_level):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _nodes(node: ast.AST, at_module_level: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if at_module_level and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield child
        yield from _nodes(child, at_module_level)


def top(module: str) -> str:
    """The package a module belongs to."""
    return module.partition(".")[0]


def test_every_arrow_between_packages_points_the_right_way() -> None:
    assert [wrong for path in FILES for wrong in wrong_arrows(path)] == []


def wrong_arrows(path: Path) -> Iterator[str]:
    """Imports of a file that the design does not allow its package."""
    package, modules = top(relative(path).replace("/", ".")), list(imported(path))
    forbidden = {"analysis": {"orchestrator", "trainables", "torch", "ray"}, "trainables": {"orchestrator", "ray"}}
    for module in modules:
        others = package == "trainables" and top(module) == "analysis" and not module.startswith(TRAINABLES_MAY_IMPORT)
        if others or top(module) in forbidden.get(package, set()):
            yield f"{relative(path)} imports {module}"


def test_ray_is_imported_only_where_the_design_says() -> None:
    others = [path for path in FILES if not relative(path).startswith(RAY_MAY_BE_IMPORTED_IN)]
    assert [relative(path) for path in others if "ray" in {top(module) for module in imported(path)}] == []


def test_what_ray_and_torch_keep_to_themselves_is_used_in_one_file_of_each_package() -> None:
    others = [path for path in FILES if relative(path) not in PRIVATE_PARTS_OF.values()]
    assert [f"{relative(path)}:{use}" for path in others for use in private_uses(path)] == []
    for library, file in PRIVATE_PARTS_OF.items():
        assert any(f": {library}." in use for use in private_uses(ROOT / file))


@pytest.mark.parametrize("kind", ["tasks", "datasets", "models", "variants"])
def test_a_registered_module_does_not_import_torch_when_it_is_looked_at(kind: str) -> None:
    for path in (ROOT / "trainables" / kind).glob("*.py"):
        heavy = {top(module) for module in imported(path, at_module_level=True)} & {"torch", "transformers", "ray"}
        assert not heavy, relative(path)


def test_only_the_plug_ins_name_a_task_a_model_or_a_variant() -> None:
    kinds = ("tasks", "models", "variants")
    names = {
        path.stem
        for kind in kinds
        for path in (ROOT / "trainables" / kind).glob("*.py")
        if not path.stem.startswith("_")
    } - set(RUNS.names)  # `attention` is a variant, and a column of the `runs` table
    rooms = ("system", "data", "modeling", "protocols", "training", "tools")
    files = [path for room in rooms for path in (ROOT / "trainables" / room).glob("*.py")]
    assert len(files) > 50
    for path in files:
        imports = [
            module for module in imported(path) if module.startswith(tuple(f"trainables.{kind}" for kind in kinds))
        ]
        assert imports == [], relative(path)
        constants = {node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant)}
        assert not names & {value for value in constants if isinstance(value, str)}, relative(path)


def test_every_module_begins_with_a_sentence_that_says_what_it_is_for() -> None:
    sentences = {path: (ast.get_docstring(parsed(path)) or "").partition("\n")[0] for path in FILES}
    assert [relative(path) for path, sentence in sentences.items() if len(sentence) <= 20] == []


def test_files_and_functions_stay_small() -> None:
    long = [relative(path) for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    assert long == []
    functions = ((path, node) for path in FILES for node in ast.walk(parsed(path)) if isinstance(node, FUNCTIONS))
    assert [f"{relative(path)}: {node.name}" for path, node in functions if num_lines(node) > 50] == []


def num_lines(node: ast.stmt) -> int:
    """The lines of a statement."""
    return (node.end_lineno or 0) - node.lineno + 1


def test_no_package_has_a_module_that_is_named_after_nothing() -> None:
    vague = {"utils", "helpers", "common", "misc", "base", "manager", "factory"}
    assert not [relative(path) for path in FILES if path.stem in vague]


def test_the_packages_are_importable_one_by_one() -> None:
    assert set(PACKAGES) <= {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert sys.version_info >= (3, 11)
