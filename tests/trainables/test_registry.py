"""Entries are found from the files on disk, loaded one at a time, and misspelt names are answered with the nearest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from trainables import old_names, registry


def test_names_come_from_files_and_read_as_users_write_them() -> None:
    assert "cr-ecss" in registry.names("dataset")
    assert "deberta-v3-large" in registry.names("model")
    assert "token_classification" in registry.names("task")
    assert "weighted_f1" in registry.names("metric")
    assert not [name for name in registry.names("metric") if name.startswith("_")]


def test_an_entry_is_the_one_constant_of_its_module() -> None:
    assert registry.load("dataset", "cr-ecss") is registry.load("dataset", "cr_ecss")
    assert registry.load("dataset", "cr-ecss").name == "cr-ecss"


@pytest.mark.parametrize("kind", ["task", "dataset", "model", "variant", "metric"])
def test_every_entry_is_named_after_its_file(kind: registry.Kind) -> None:
    for name in registry.names(kind):
        assert registry.load(kind, name).name == name


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    with pytest.raises(registry.UnknownName, match="unknown model 'roberta-bas'; did you mean 'roberta-base'"):
        registry.load("model", "roberta-bas")


@pytest.mark.parametrize("name", ["../../x", "x\0y", "-rf", "", "a" * 300, "🚀", "__init__", "/nowhere/at_all.py"])
def test_hostile_names_are_unknown_names(name: str) -> None:
    with pytest.raises(registry.UnknownName, match="unknown dataset"):
        registry.load("dataset", name)


def test_a_file_of_the_user_is_an_entry(tmp_path: Path) -> None:
    path = tmp_path / "my metric's file.py"
    path.write_text("METRIC = 'mine'\n", encoding="utf-8")
    assert registry.load("metric", str(path)) == "mine"


def test_an_edited_file_is_imported_anew_even_when_size_and_time_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("METRIC = 'one'\n", encoding="utf-8")
    first = path.stat()
    assert registry.load("metric", str(path)) == "one"
    path.write_text("METRIC = 'two'\n", encoding="utf-8")
    os.utime(path, ns=(first.st_atime_ns, first.st_mtime_ns))
    assert registry.load("metric", str(path)) == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_an_edited_file_leaves_no_module_of_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    found = []
    for value in ("[1]", "[2]", "[1]"):
        path.write_text(f"METRIC = {value}\n", encoding="utf-8")
        found.append(registry.load("metric", str(path)))
        assert registry.load("metric", str(path)) is found[-1]
        assert [module.METRIC for module in modules_of(path)] == [found[-1]]
    assert found == [[1], [2], [1]]


def test_equal_files_in_two_folders_each_have_their_own_neighbours(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "value.txt").write_text(name, encoding="utf-8")
        source = "from pathlib import Path\nMETRIC = Path(__file__).with_name('value.txt').read_text()\n"
        (tmp_path / name / "mine.py").write_text(source, encoding="utf-8")
    assert [registry.load("metric", str(tmp_path / name / "mine.py")) for name in ("a", "b", "a")] == ["a", "b", "a"]


def modules_of(path: Path) -> list[ModuleType]:
    """The modules in this process that were made from a file."""
    return [module for module in list(sys.modules.values()) if getattr(module, "__file__", None) == str(path)]


def test_a_broken_file_raises_what_it_raises_each_time(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("1 / 0\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            registry.load("task", str(path))


def test_a_file_without_the_constant_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"empty\.py does not define TASK"):
        registry.load("task", str(path))


def test_loading_entries_imports_neither_torch_nor_ray() -> None:
    script = (
        "import sys\n"
        "from trainables import registry\n"
        "from trainables.models import resolve\n"
        "from trainables.config import DataConfig\n"
        "from trainables.data.load import fingerprint\n"
        "for kind in ('task', 'dataset', 'model', 'variant', 'metric'):\n"
        "    for name in registry.names(kind):\n"
        "        registry.load(kind, name)\n"
        "resolve('roberta-base')\n"
        "fingerprint(DataConfig(name='requirements-sample'))\n"
        "heavy = {'torch', 'ray', 'transformers', 'datasets', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)\n"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


USERS_FILE = """import trainables.engine.items
from trainables.engine import config, data
from trainables.engine.corpus import Dataset, Reading
from trainables.engine.folder import Folder
from trainables.system import durable_files
from trainables.system.folder import OutsideFolder

assert trainables.engine.items.read_items is not None
TASK = (config.DataConfig, data.load_corpus, Dataset, Reading, Folder, durable_files, OutsideFolder)
"""


def test_a_file_of_a_user_may_import_by_old_names_because_an_edit_would_change_its_runs_ids(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(USERS_FILE, encoding="utf-8")
    script = (
        "import sys\n"
        "from trainables import registry\n"
        f"found = registry.load('task', {str(path)!r})\n"
        "from trainables import config\n"
        "from trainables.data import dataset, load\n"
        "from analysis.tables import durable_files, folder\n"
        "moved = (folder.Folder, durable_files, folder.OutsideFolder)\n"
        "assert found == (config.DataConfig, load.load_corpus, dataset.Dataset, dataset.Reading, *moved)\n"
        "assert 'torch' not in sys.modules\n"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_an_old_name_that_never_was_is_no_module(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from trainables.engine.nothing import x\n", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError, match=r"trainables\.engine"):
        registry.load("task", str(path))


def test_what_a_user_s_file_of_before_imports_for_types_alone_loads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "task.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n\n"
        "if TYPE_CHECKING:\n"
        "    from trainables.modeling.pretrained import ModelSource, Pristine\n\n"
        "    from trainables.engine.models import quiet\n\n\n"
        "def build_model(source: ModelSource) -> Pristine: ...\n\n\n"
        "TASK = (build_model,)\n"
    )
    script = f"import sys\nfrom trainables import registry\nregistry.load('task', {str(path)!r})\n"
    script += "assert 'torch' not in sys.modules\n"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_a_user_s_variant_and_task_of_before_keep_their_members_names(tmp_path: Path) -> None:
    variant, task = tmp_path / "variant.py", tmp_path / "task.py"
    variant.write_text(
        "from trainables.config import Frozen\n"
        "from trainables.protocols.variant import Stage, Variant, WouldDoNothing\n"
        "def never(subject, options):\n    return 'never'\n"
        "VARIANT = Variant('mine', 'Mine.', Stage.ADAPT, Frozen, unsuited=never)\n"
    )
    task.write_text(
        "class T:\n    def vary(self):\n        return 1\n    decide = vary\n    piece_outputs = ()\nTASK = T()\n"
    )
    assert registry.load("variant", str(variant)).incompatible(None, None) == "never"
    loaded = registry.load("task", str(task))
    assert (loaded.augment(), loaded.apply_thresholds(), loaded.token_outputs) == (1, 1, ())


@pytest.mark.parametrize("new", sorted(set(old_names.MODULES.values())))
def test_every_old_name_leads_to_a_module_that_is_there(new: str) -> None:
    place = Path(registry.__file__).parents[1].joinpath(*new.split("."))
    assert place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()
