"""Rooms import downwards only, never in a circle; and the check sees an import that is planted where it must not be."""

from __future__ import annotations

import ast
import functools
import re
import shutil
from pathlib import Path

import pytest

from tests.architecture.imports import PACKAGES, Import, imports, modules, named, parsed
from tests.architecture.layers import LAYERS, ROOT, circles, figures, upward

FOLDERS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py"))
DOORS_OF_STORAGE = {"cells", "find_results", "init_from", "status"}
FORMS = {
    "at the top": "from {module} import {name}",
    "within a function": "def planted() -> None:\n    from {module} import {name}",
    "for types": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from {module} import {name}",
    "of the package": "import {module}",
}


@functools.cache
def ours() -> list[Import]:
    """Every import of this checkout."""
    return list(imports(modules(ROOT)))


def copy(target: Path) -> Path:
    """The three packages once more, to plant something in."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def plant(root: Path, file: str, text: str) -> None:
    """Add lines to the end of a file."""
    path = root / file
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{text}\n", encoding="utf-8")


def test_no_import_leads_up() -> None:
    assert upward(ROOT) == []


def test_no_folder_has_files_or_folders_that_import_each_other_in_a_circle() -> None:
    assert circles(ROOT) == []


@pytest.mark.parametrize(
    ("file", "module", "name"),
    [
        ("orchestrator/errors.py", "orchestrator.executors", "Executor"),
        ("orchestrator/commands/plan.py", "orchestrator.console.text", "plan"),
        ("analysis/comparison/all_pairs.py", "analysis.text.sentences", "sentence"),
        ("trainables/system/memory.py", "trainables.training.trainer", "train"),
    ],
)
def test_a_planted_import_that_leads_up_is_named(file: str, module: str, name: str, tmp_path: Path) -> None:
    root = copy(tmp_path)
    plant(root, file, FORMS["within a function"].format(module=module, name=name))
    (found,) = upward(root)
    assert found.startswith(f"{file}:")
    assert found.endswith(f"imports {module}")


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_import_hides_that_it_leads_up(form: str, tmp_path: Path) -> None:
    root = copy(tmp_path)
    plant(root, "orchestrator/storage/lock.py", FORMS[form].format(module="orchestrator.commands.sweep", name="sweep"))
    (found,) = upward(root)
    assert found.startswith("orchestrator/storage/lock.py:")


def test_a_planted_circle_within_a_room_is_named(tmp_path: Path) -> None:
    root = copy(tmp_path)
    plant(root, "analysis/tables/schema.py", FORMS["for types"].format(module="analysis.tables.read", name="read"))
    assert upward(root) == []
    (found,) = circles(root)
    assert found.startswith("analysis.tables: ")
    assert {"read", "schema"} <= set(re.findall(r"\w+", found))


def test_every_room_has_a_place_and_every_place_a_room() -> None:
    for package, order in LAYERS.items():
        there = {path.stem if path.is_file() else path.name for path in (ROOT / package).iterdir() if is_room(path)}
        assert there == set(order)
        assert len(order) == len(set(order))


def is_room(path: Path) -> bool:
    """Whether a path below a package is code of ours: a file other than its `__init__.py`, or a folder of such."""
    return (path / "__init__.py").is_file() or (path.suffix == ".py" and path.name != "__init__.py")


def test_errors_and_units_import_nobody() -> None:
    for name in ("errors", "units"):
        names = [found for node in ast.walk(parsed(ROOT / "orchestrator" / f"{name}.py")) for found in named(node)]
        assert [found for found in names if found.partition(".")[0] in PACKAGES] == []


def test_the_store_is_the_way_in() -> None:
    known = modules(ROOT)
    outside = {module: path for module, path in known.items() if not module.startswith("orchestrator.storage")}
    reached = {one.imported for one in ours() if one.importer in outside}
    doors = {"orchestrator.storage", *(f"orchestrator.storage.{name}" for name in DOORS_OF_STORAGE)}
    assert {module for module in reached if module.startswith("orchestrator.storage")} == doors
    attributes = [
        f"{path.name}:{node.lineno}"
        for module, path in outside.items()
        if module.startswith("orchestrator.")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr == "root"
    ]
    assert attributes == []


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_every_folder_says_what_lives_there_what_it_may_import_and_where_to_start(path: Path) -> None:
    text = ast.get_docstring(parsed(path)) or ""
    assert re.search(r"\b(Start\s+with|Read\s+`)", text)
    assert re.search(r"\b(May\s+import|Imports?)\s", text)
    for name in re.findall(r"`([\w/]+\.(?:py|html))`", text):
        places = (path.parent, path.parents[1], ROOT / path.relative_to(ROOT).parts[0], ROOT)
        assert any((place / name).is_file() for place in places), f"{name} is not there"


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_what_a_folder_says_that_it_may_import_is_what_it_imports(path: Path) -> None:
    package, *rooms = path.parent.relative_to(ROOT).parts
    text = re.split(r"May\s+import", ast.get_docstring(parsed(path)) or "")[-1]
    allowed = set(re.findall(r"`(\w+)", text))
    all_below = re.search(r"(whatever\s+stands|everything)\s+below|everything\s+in", text) is not None
    folder = ".".join([package, *rooms])
    for one in ours() if rooms else ():
        if one.importer == folder or one.importer.startswith(f"{folder}."):
            other, _, rest = one.imported.partition(".")
            name = rest.partition(".")[0] if other == package else other
            assert name == rooms[0] or name in allowed or (all_below and other == package), f"{one.importer}: {name}"


def test_the_figures_count_rooms_layers_arrows_and_circles(tmp_path: Path) -> None:
    files = {
        "analysis/__init__.py": "",
        "analysis/top.py": "from analysis import left, right",
        "analysis/left.py": "def f():\n    from analysis.low.deep import x",
        "analysis/right.py": "from analysis import left",
        "analysis/low/__init__.py": "",
        "analysis/low/deep.py": "import typing\nif typing.TYPE_CHECKING:\n    import analysis.right",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = figures(tmp_path)["analysis"]
    assert (found.rooms, found.layers, found.arrows) == (4, 2, 5)
    assert (found.arrows_in_circles, found.circles) == (3, 1)
