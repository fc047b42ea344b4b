"""Data is found in the documented order, read the same everywhere, and what is missing is explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import tiny_data, tiny_items
from trainables.config import DataConfig
from trainables.data import load
from trainables.data.dataset import DataError
from trainables.data.load import fingerprint, load_corpus, locate
from trainables.data.sources.parts import read_one
from trainables.registry import UnknownName

TAGGING = ("words", "labels")
ECSS = [{"sentence_id": 0, "words": word, "labels": label} for word, label in (("The", "O"), ("bus", "Power"))]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ORCHESTRATE_DATA", raising=False)


def _ecss(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "CR_ECSS_dataset.json").write_text(json.dumps(ECSS), encoding="utf-8")
    return folder


def test_a_file_is_read_whatever_its_path_looks_like(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a\n"folder"'
    folder.mkdir()
    corpus = load_corpus(DataConfig(path=str(tiny_data(folder / "my data.jsonl"))))
    assert corpus.items == tiny_items()
    assert corpus.name == "my data.jsonl"


@pytest.mark.parametrize("spelling", ["cr-ecss", "cr_ecss"])
def test_a_named_data_set_is_found_under_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    folder = _ecss(tmp_path / "root" / spelling)
    monkeypatch.setenv("ORCHESTRATE_DATA", str(tmp_path / "root"))
    assert locate(DataConfig(name="cr-ecss")) == folder
    assert load_corpus(DataConfig(name="cr-ecss")).items == [
        {"id": 0, "words": ["The", "bus"], "labels": ["O", "Power"]}
    ]


def test_an_explicit_path_comes_before_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _ecss(tmp_path / "root" / "cr-ecss")
    monkeypatch.setenv("ORCHESTRATE_DATA", str(tmp_path / "root"))
    mine = _ecss(tmp_path / "mine")
    assert locate(DataConfig(name="cr-ecss", path=str(mine))) == mine
    file = mine / "CR_ECSS_dataset.json"
    assert len(load_corpus(DataConfig(name="cr-ecss", path=str(file)))) == 1


def test_without_a_copy_all_three_places_are_named() -> None:
    with pytest.raises(DataError) as caught:
        locate(DataConfig(name="cr-ecss"), offline=True)
    for place in ("--data", "$ORCHESTRATE_DATA/cr-ecss/", "Hugging Face Hub", "CR_ECSS_dataset.json"):
        assert place in str(caught.value)


def test_a_hub_data_set_that_is_not_cached_is_an_error_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="nobody/nothing-of-this-name cannot be reached and is not in the local cache"):
        load_corpus(DataConfig(hub="nobody/nothing-of-this-name"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"path": "absent.jsonl"}, r"absent\.jsonl does not exist"),
        ({"path": "."}, "is a folder; give the file"),
        ({"name": "cr-ecss", "path": "."}, r"lacks CR_ECSS_dataset\.json"),
    ],
)
def test_a_wrong_path_is_explained(
    data: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=reason):
        load_corpus(DataConfig(**data))


def test_an_unknown_name_gets_the_nearest_one_unless_it_labels_a_file(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'cr-ecss'"):
        locate(DataConfig(name="cr-ecs"))
    path = tiny_data(tmp_path / "a.jsonl")
    assert load_corpus(DataConfig(name="my-data", path=str(path))).name == "my-data"


def test_a_data_set_of_the_user_is_given_by_path(tmp_path: Path) -> None:
    tiny_data(tmp_path / "rows.jsonl")
    source = (
        "from pathlib import Path\n"
        "from trainables.data.dataset import Dataset, Reading\n"
        "from trainables.data.items import read_items\n"
        "def read(location):\n"
        "    return Reading(read_items(location / 'rows.jsonl'), {'train': range(20), 'validation': range(20, 24)})\n"
        "HERE = Path(__file__).parent\n"
        "DATASET = Dataset('mine', 'my data', 'token_classification', 'mine', ('rows.jsonl',), read, HERE)\n"
    )
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    corpus = load_corpus(DataConfig(name=str(tmp_path / "mine.py")))
    assert corpus.items == tiny_items()
    assert corpus.parts == {"train": range(20), "validation": range(20, 24)}


def test_the_fingerprint_follows_bytes_and_reading_and_not_the_path(tmp_path: Path) -> None:
    one, two = tiny_data(tmp_path / "one.jsonl"), tiny_data(tmp_path / "two.jsonl")
    three = tiny_data(tmp_path / "three.jsonl", count=23)
    first = fingerprint(DataConfig(path=str(one)))
    assert fingerprint(DataConfig(path=str(two))) == first
    assert fingerprint(DataConfig(path=str(three))) != first
    assert fingerprint(DataConfig(path=str(one), columns={"cluster": "id"})) != first
    assert fingerprint(DataConfig(path=str(one), limit=5)) != first
    assert load_corpus(DataConfig(path=str(one))).fingerprint == first


def test_content_that_changed_since_the_experiment_was_resolved_is_refused(tmp_path: Path) -> None:
    data = DataConfig(path=str(tiny_data(tmp_path / "one.jsonl")))
    resolved = data.model_copy(update={"fingerprint": fingerprint(data)})
    assert len(load_corpus(resolved)) == 24
    tiny_data(tmp_path / "one.jsonl", count=25)
    with pytest.raises(DataError, match="changed"):
        load_corpus(resolved)


def test_a_limited_corpus_says_that_it_is_no_real_result(tmp_path: Path) -> None:
    corpus = load_corpus(DataConfig(path=str(tiny_data(tmp_path / "a.jsonl")), limit=5))
    assert corpus.items == tiny_items(5)
    assert corpus.notes == ("only the first 5 of 24 items: not a real result",)


def test_data_are_read_once_for_all_who_ask_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataConfig(path=str(tiny_data(tmp_path / "a.jsonl")))
    reads: list[Path] = []
    monkeypatch.setattr(load, "read_one", lambda path, *rest: reads.append(path) or read_one(path, *rest))
    kept = [fingerprint(data, TAGGING, keep=True), load_corpus(data, TAGGING, keep=True).fingerprint]
    assert len(reads) == 1
    Path(data.path or "").write_text('{"id": 1, "words": ["a", "b"], "labels": ["O", "X"]}\n', encoding="utf-8")
    assert load_corpus(data, TAGGING, keep=True).fingerprint not in kept
    assert len(reads) == 2
    load.forget()
    load_corpus(data, TAGGING)
    load_corpus(data, TAGGING)
    assert len(reads) == 4
