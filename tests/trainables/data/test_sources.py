"""Several files are one data set: as parts, lists, patterns, folders and columns; what is unclear is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from trainables.config import DataConfig
from trainables.data.dataset import Corpus, DataError
from trainables.data.load import fingerprint, load_corpus
from trainables.data.sources.part_names import parts_of, word_of

CLASSES, WORDS = ("text", "label"), ("words", "labels")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ORCHESTRATE_DATA", raising=False)


def _table(path: Path, *rows: str, head: str = "text,label") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((head, *rows)) + "\n", encoding="utf-8")
    return str(path)


def _corpus(fields: tuple[str, ...] = CLASSES, **data: Any) -> Corpus:
    return load_corpus(DataConfig(**data), fields)


def _shown(corpus: Corpus) -> list[tuple[Any, ...]]:
    parts = corpus.parts or {}
    part_of = {index: part for part, indices in parts.items() for index in indices}
    return [(item["id"], item.get("text"), part_of.get(row)) for row, item in enumerate(corpus.items)]


@pytest.fixture
def files(tmp_path: Path) -> Mapping[str, str]:
    """Three small files, named as nothing in particular."""
    return {
        "a": _table(tmp_path / "a.csv", "one,x", "two,y"),
        "b": _table(tmp_path / "b.csv", "three,x"),
        "c": _table(tmp_path / "c.csv", "four,y"),
    }


def test_each_part_can_have_a_file_and_ids_that_repeat_get_the_part_in_front(files: Mapping[str, str]) -> None:
    corpus = _corpus(train=files["a"], validation=files["b"], test=files["c"])
    assert _shown(corpus) == [
        ("train/2", "one", "train"),
        ("train/3", "two", "train"),
        ("validation/2", "three", "validation"),
        ("test/2", "four", "test"),
    ]
    assert [how.path for how in corpus.how] == [files["a"], files["b"], files["c"]]


def test_ids_that_differ_stay_as_they_are(tmp_path: Path) -> None:
    train = _table(tmp_path / "train.csv", "7,one,x", "8,two,y", head="id,text,label")
    test = _table(tmp_path / "test.csv", "9,three,x", head="id,text,label")
    assert _shown(_corpus(train=train, test=test)) == [
        ("7", "one", "train"),
        ("8", "two", "train"),
        ("9", "three", "test"),
    ]


def test_a_part_can_have_several_files(files: Mapping[str, str]) -> None:
    corpus = _corpus(train=(files["b"], files["a"]), test=files["c"])
    assert _shown(corpus) == [
        ("train/a/2", "one", "train"),
        ("train/a/3", "two", "train"),
        ("train/b/2", "three", "train"),
        ("test/2", "four", "test"),
    ]


@pytest.mark.parametrize("pattern", [False, True])
def test_lists_and_patterns_are_one_pool_in_the_order_of_the_names(
    tmp_path: Path, files: Mapping[str, str], pattern: bool
) -> None:
    path = str(tmp_path / "*.csv") if pattern else (files["c"], files["a"], files["b"])
    corpus = _corpus(path=path)
    assert [item["id"] for item in corpus.items] == ["a/2", "a/3", "b/2", "c/2"]
    assert corpus.parts is None
    assert corpus.fingerprint == fingerprint(DataConfig(path=(files["a"], files["b"], files["c"])), CLASSES)


def test_one_file_is_the_same_however_it_is_named(tmp_path: Path, files: Mapping[str, str]) -> None:
    ways: tuple[dict[str, Any], ...] = (
        {"path": files["a"]},
        {"path": (files["a"],)},
        {"train": files["a"]},
        {"path": str(tmp_path / "a*.csv")},
        {"path": f"file://{files['a']}"},
    )
    corpora = [_corpus(**way) for way in ways]
    assert len({corpus.fingerprint for corpus in corpora}) == 1
    assert all(corpus.items == corpora[0].items for corpus in corpora)


def test_a_pattern_in_a_folder_whose_name_looks_like_one_is_found(tmp_path: Path) -> None:
    _table(tmp_path / "run [1]" / "x.csv", "one,x", "two,y")
    assert len(_corpus(path=str(tmp_path / "run [1]" / "*.csv"))) == 2
    assert len(_corpus(path=str(tmp_path / "run [1]" / "x.csv"))) == 2


def test_the_fingerprint_follows_content_and_parts_and_not_order_or_place(
    tmp_path: Path, files: Mapping[str, str]
) -> None:
    def of(**data: Any) -> str:
        return fingerprint(DataConfig(**data), CLASSES)

    first = of(train=files["a"], test=files["b"])
    assert of(train=files["b"], test=files["a"]) != first
    assert of(train=files["a"], validation=files["b"]) != first
    assert of(path=(files["a"], files["b"])) != first
    assert of(path=(files["a"], files["b"])) == of(path=(files["b"], files["a"]))
    moved = _table(tmp_path / "elsewhere" / "other.csv", "three,x")
    assert of(train=files["a"], test=moved) == first
    _table(tmp_path / "elsewhere" / "other.csv", "five,x")
    assert of(train=files["a"], test=moved) != first


def test_content_that_changed_in_any_file_is_refused(tmp_path: Path, files: Mapping[str, str]) -> None:
    data = DataConfig(train=files["a"], test=files["b"])
    resolved = data.model_copy(update={"fingerprint": fingerprint(data, CLASSES)})
    assert len(load_corpus(resolved, CLASSES)) == 3
    _table(tmp_path / "b.csv", "six,x")
    with pytest.raises(DataError, match="its content changed"):
        load_corpus(resolved, CLASSES)


OLD_FINGERPRINTS: tuple[tuple[dict[str, Any], tuple[str, ...], str], ...] = (
    ({"path": "words.jsonl"}, WORDS, "fe1eeab65346fa54e788bec85dac79de679a445cb3f6958c94253ab898921979"),
    (
        {"path": "d.csv", "columns": {"text": "sentence"}},
        CLASSES,
        "5239164cf609ceee15c41819d68feb4d68146cda7269633f360c3e52bd76a049",
    ),
    (
        {"path": "d.csv", "columns": {"text": "sentence"}, "limit": 1, "test": False},
        CLASSES,
        "6346c7cbf7d8750b4e9ddf930864c49d8c79b3f6fa5883b29956ea59bb3ab0cc",
    ),
    ({"path": "t.txt"}, ("text",), "345d0d1f0373adb8c6924e2cde9d89640cd7f1210a3fec26a4eee8af3f5389dc"),
    ({"path": "c.conll"}, WORDS, "8caef1e01277a282c1429669a3723964d5ed7727c80c9aac5a05495aaf61fb20"),
    (
        {"name": "cr-ecss", "path": "cr-ecss"},
        WORDS,
        "e7c1e83a3ffc639b2d417d54e3d20e9a0ff98670488369a093a5ee384d89d2d1",
    ),
    ({"name": "requirements-sample"}, WORDS, "bced409c7cd3d8c581bbc42f821a0aa801aa9a29534588f1df2598468025316e"),
)


@pytest.mark.parametrize(("data", "fields", "expected"), OLD_FINGERPRINTS)
def test_the_fingerprints_of_data_that_one_file_holds_are_those_of_the_first_version(
    tmp_path: Path, data: dict[str, Any], fields: tuple[str, ...], expected: str
) -> None:
    rows = [{"sentence_id": 0, "words": word, "labels": label} for word, label in (("The", "O"), ("bus", "Power"))]
    contents = {
        "words.jsonl": '{"words": ["The", "bus"], "labels": ["O", "Power"]}\n',
        "d.csv": "sentence,label\ngood,pos\nbad,neg\n",
        "t.txt": "one\ntwo\n",
        "c.conll": "The O\nbus Power\n\nA O\n",
        "cr-ecss/CR_ECSS_dataset.json": json.dumps(rows),
    }
    (tmp_path / "cr-ecss").mkdir()
    for name, text in contents.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    placed = {**data, "path": str(tmp_path / data["path"])} if "path" in data else data
    assert fingerprint(DataConfig(**placed), fields) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"path": ("a.csv", "a.csv")}, "a.csv is named twice, so its items would count twice"),
        ({"train": "a.csv", "test": "./a.csv"}, "a.csv is named twice"),
        ({"path": "*.tsv"}, "data.path: no file matches"),
        ({"train": "a.csv", "test": "absent.csv"}, "absent.csv does not exist"),
        ({"train": "a.csv", "test": "."}, "is a folder; name its files"),
        ({"path": ("a.csv", ".")}, "is a folder; name its files"),
        ({"path": "."}, "is a folder; give the file: no data file lies in it"),
    ],
)
def test_files_that_are_not_there_or_named_twice_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if data != {"path": "."}:
        _table(tmp_path / "a.csv", "one,x", "two,y")
    with pytest.raises(DataError) as caught:
        _corpus(**data)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "one of name, path, train or hub is needed"),
        ({"path": "a", "train": "b"}, "path and train exclude each other"),
        ({"train": "a", "hub": "b"}, "train and hub exclude each other"),
        ({"path": "a", "test": "b"}, "test names files, so the training files must be named, too"),
        ({"path": "a", "validation": "b"}, "validation names files, so the training files must be named, too"),
        ({"train": "a", "split_column": "split"}, "split_column needs path"),
        ({"hub": "a", "split_column": "split"}, "split_column needs path"),
        ({"path": ()}, "at least 1 item"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(data: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        DataConfig(**data)


@pytest.mark.parametrize(
    ("data", "label"),
    [
        ({"path": "/a/b.csv"}, "b.csv"),
        ({"path": ("/a/c.csv", "/a/b.csv", "d.csv")}, "b.csv and 2 more"),
        ({"path": "/a/b/*.csv"}, "b/*.csv"),
        ({"path": "/a/folder/"}, "folder"),
        ({"path": "https://me:secret@host/x/d.csv?token=secret#1"}, "d.csv"),
        ({"train": "/a/train.csv", "test": "/a/test.csv"}, "train.csv"),
        ({"train": "/a/train.csv", "name": "reviews"}, "reviews"),
        ({"name": "/a/b/mine.py"}, "mine.py"),
        ({"hub": "owner/name"}, "owner/name"),
    ],
)
def test_the_label_of_data_is_short(data: dict[str, Any], label: str) -> None:
    assert DataConfig(**data).label == label


def test_files_that_differ_in_columns_are_said(tmp_path: Path, files: Mapping[str, str]) -> None:
    other = _table(tmp_path / "other.csv", "five,x,1", head="text,label,year")
    corpus = _corpus(path=(files["a"], other))
    assert [how.remarks for how in corpus.how] == [[], ["its columns are not those of a.csv: with year"]]


# --- folders ---


def test_a_folder_of_files_named_as_parts_is_read_by_part(tmp_path: Path) -> None:
    for name, text in (("train", "one"), ("dev", "two"), ("test", "three")):
        _table(tmp_path / f"{name}.tsv", f"{text}\tx", head="text\tlabel")
    (tmp_path / "README.md").write_text("read me")
    assert _shown(_corpus(path=str(tmp_path))) == [
        ("train/2", "one", "train"),
        ("validation/2", "two", "validation"),
        ("test/2", "three", "test"),
    ]


def test_the_layout_of_the_hub_is_read_by_part(tmp_path: Path) -> None:
    names = ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001")
    for number, name in enumerate(names):
        _table(tmp_path / "data" / f"{name}.csv", f"{number},text {number},x", head="id,text,label")
    (tmp_path / "README.md").write_text("read me")
    assert _shown(_corpus(path=str(tmp_path))) == [
        ("0", "text 0", "train"),
        ("1", "text 1", "train"),
        ("2", "text 2", "validation"),
    ]


def test_folders_named_as_parts_are_parts(tmp_path: Path) -> None:
    _table(tmp_path / "train" / "x.csv", "one,x", "two,y")
    _table(tmp_path / "test" / "y.csv", "three,x")
    assert [part for _, _, part in _shown(_corpus(path=str(tmp_path)))] == ["train", "train", "test"]


def test_files_of_the_shared_tasks_are_parts_if_the_format_is_named(tmp_path: Path) -> None:
    for name, word in (("eng.train", "Bern"), ("eng.testa", "Oslo"), ("eng.testb", "Rome")):
        (tmp_path / name).write_text(f"{word} B-LOC\nis O\n\nso O\n", encoding="utf-8")
    corpus = _corpus(WORDS, path=str(tmp_path), format="conll")
    parts = corpus.parts or {}
    assert {part: corpus.items[indices[0]]["words"] for part, indices in parts.items()} == {
        "train": ["Bern", "is"],
        "validation": ["Oslo", "is"],
        "test": ["Rome", "is"],
    }


def test_a_test_file_without_labels_is_left_out_of_a_folder_and_that_is_said(tmp_path: Path) -> None:
    _table(tmp_path / "train.csv", "one,x", "two,y")
    _table(tmp_path / "test.csv", "three", head="text")
    _table(tmp_path / "sample_submission.csv", "1,x", head="id,label")
    corpus = _corpus(path=str(tmp_path))
    assert _shown(corpus) == [(2, "one", None), (3, "two", None)]
    assert corpus.notes == (
        "sample_submission.csv: left out, because the name says no part",
        "test.csv has no labels and is left out",
    )
    assert len(_corpus(path=str(tmp_path), test=False)) == 2
    with pytest.raises(DataError, match=r"test\.csv: the test file has no labels"):
        _corpus(path=str(tmp_path), test=True)


def test_a_file_with_just_the_name_of_a_part_comes_before_others_of_that_part(tmp_path: Path) -> None:
    _table(tmp_path / "train.tsv", "one\tx", head="text\tlabel")
    _table(tmp_path / "dev.tsv", "two\tx", head="text\tlabel")
    _table(tmp_path / "dev_ids.tsv", "3\t4")
    corpus = _corpus(path=str(tmp_path))
    assert _shown(corpus) == [("train/2", "one", "train"), ("validation/2", "two", "validation")]
    assert corpus.notes == ("dev_ids.tsv: left out, because the name says no part",)


def test_a_folder_of_texts_is_one_pool(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(f"text {name}\n", encoding="utf-8")
    (tmp_path / "LICENSE.txt").write_text("all rights\n", encoding="utf-8")
    assert _shown(_corpus(("text",), path=str(tmp_path))) == [("a/1", "text a", None), ("b/1", "text b", None)]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("dev.csv", "test.csv"), r"their names do not say all their parts \(dev.csv, test.csv\)"),
        (("train.csv", "x.csv", "y.csv"), r"their names do not say all their parts"),
        (("train.csv", "test.jsonl"), r"files of several formats \(csv: train.csv; jsonl: test.jsonl\)"),
        (("train.csv", "train.jsonl"), r"files of several formats"),
        (("a.csv", "b.jsonl"), r"files of several formats"),
    ],
)
def test_a_folder_that_is_not_clear_is_refused(tmp_path: Path, names: tuple[str, ...], reason: str) -> None:
    for name in names:
        _table(tmp_path / name, "one,x")
    with pytest.raises(DataError, match=reason):
        _corpus(path=str(tmp_path))


# --- test files without labels ---


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "text\nthree\n"),
        ("t.csv", "text,label\nthree,-1\nfour,-1\n"),
        ("t.csv", "text,label\nthree,\n"),
        ("t.jsonl", '{"text": "three", "label": null}\n'),
    ],
)
def test_a_named_test_file_without_labels_is_refused(
    tmp_path: Path, files: Mapping[str, str], name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"the test file has no labels: leave data\.test out"):
        _corpus(train=files["a"], test=str(tmp_path / name))


def test_a_mapped_label_column_that_the_test_file_lacks_is_named_as_missing_labels(tmp_path: Path) -> None:
    train = _table(tmp_path / "train.csv", "one,x", "two,y", head="text,target")
    test = _table(tmp_path / "test.csv", "three", head="text")
    with pytest.raises(DataError, match="the test file has no labels"):
        _corpus(train=train, test=test, columns={"label": "target"})
    broken = _table(tmp_path / "broken.csv", "three,x,y", head="text,target")
    with pytest.raises(DataError, match="row 2: 3 values for 2 columns"):
        _corpus(train=train, test=broken, columns={"label": "target"})


def test_a_test_file_of_words_alone_has_no_labels(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a O\nb B\n\nc O\n", encoding="utf-8")
    (tmp_path / "b.conll").write_text("a\nb\n\nc\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.conll: the test file has no labels"):
        _corpus(WORDS, train=str(tmp_path / "a.conll"), test=str(tmp_path / "b.conll"))


def test_a_validation_file_without_labels_is_refused(tmp_path: Path, files: Mapping[str, str]) -> None:
    other = _table(tmp_path / "v.csv", "three,-1")
    with pytest.raises(DataError, match=r"v\.csv: the validation part has no labels: map a column to label"):
        _corpus(train=files["a"], validation=other)


# --- parts that a file names itself ---


@pytest.mark.parametrize("repeated", [False, True])
def test_the_parts_of_one_json_file_are_parts(tmp_path: Path, repeated: bool) -> None:
    rows = {
        "train": [{"id": 0, "text": "one", "label": "x"}, {"id": 1, "text": "two", "label": "y"}],
        "dev": [{"id": 0 if repeated else 2, "text": "three", "label": "x"}],
    }
    (tmp_path / "d.json").write_text(json.dumps(rows), encoding="utf-8")
    ids = ["train/0", "train/1", "validation/0"] if repeated else [0, 1, 2]
    texts, parts = ("one", "two", "three"), ("train", "train", "validation")
    assert _shown(_corpus(path=str(tmp_path / "d.json"))) == list(zip(ids, texts, parts, strict=True))
    with pytest.raises(DataError, match=r"holds parts of its own, so it cannot be data\.train"):
        _corpus(train=str(tmp_path / "d.json"), test=_table(tmp_path / "t.csv", "four,x"))


def test_a_folder_that_datasets_saved_is_read_by_part(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    saved = {
        name: datasets.Dataset.from_dict({"text": texts, "label": ["x"] * len(texts)})
        for name, texts in (("train", ["one", "two"]), ("test", ["three"]))
    }
    datasets.DatasetDict(saved).save_to_disk(str(tmp_path / "saved"))
    corpus = _corpus(path=str(tmp_path / "saved"))
    assert [(text, part) for _, text, part in _shown(corpus)] == [("one", "train"), ("two", "train"), ("three", "test")]
    assert fingerprint(DataConfig(path=str(tmp_path / "saved")), CLASSES) == corpus.fingerprint


# --- a column of parts ---


def test_a_column_can_name_the_part_of_each_row(tmp_path: Path) -> None:
    path = _table(
        tmp_path / "d.csv", "one,x,train", "two,y,Dev", "three,x,TEST", "four,y,train", head="text,label,part"
    )
    corpus = _corpus(path=path, split_column="part")
    assert _shown(corpus) == [(2, "one", "train"), (3, "two", "validation"), (4, "three", "test"), (5, "four", "train")]
    assert all(set(item) == {"id", "text", "label"} for item in corpus.items)
    by_number = _corpus(path=path, split_column=3, columns={"label": 2})
    assert _shown(by_number) == _shown(corpus)
    assert fingerprint(DataConfig(path=path), CLASSES) != corpus.fingerprint
    assert [part for _, _, part in _shown(_corpus(path=path, split_column="part", test=False))].count("test") == 0


def test_equal_ids_are_told_apart_by_their_part_and_refused_within_one(tmp_path: Path) -> None:
    head = "id,text,label,part"
    path = _table(tmp_path / "d.csv", "0,one,x,train", "0,two,y,test", head=head)
    assert [item["id"] for item in _corpus(path=path, split_column="part").items] == ["train/0", "test/0"]
    path = _table(tmp_path / "d.csv", "0,one,x,train", "0,two,y,train", head=head)
    with pytest.raises(DataError, match="row 3: the id '0' was already used at row 2"):
        _corpus(path=path, split_column="part")


def test_rows_that_hold_a_word_each_name_the_part_of_their_sentence(tmp_path: Path) -> None:
    head = "sentence_id,words,labels,part"
    path = _table(tmp_path / "d.csv", "1,a,O,train", "1,b,B,train", "2,c,O,test", head=head)
    corpus = _corpus(WORDS, path=path, split_column="part")
    assert [(item["words"], item["labels"]) for item in corpus.items] == [(["a", "b"], ["O", "B"]), (["c"], ["O"])]
    assert corpus.parts == {"train": [0], "test": [1]}
    path = _table(tmp_path / "d.csv", "1,a,O,train", "1,b,B,test", "2,c,O,test", head=head)
    with pytest.raises(DataError, match="row 2: the words of sentence '1' are in several parts"):
        _corpus(WORDS, path=path, split_column="part")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (("one,x,train", "two,y,holdout", "three,y,holdout"), r"part: no part is called 'holdout' \(2 items\); write "),
        (("one,x,train", "two,y,"), r"no part is called '' \(1 items\)"),
        (("one,x,dev", "two,y,test"), "there is no training part, only validation and test"),
        (("one,x,train", "two,,test"), r"the test part has no labels: leave it out with `data: \{test: false\}`"),
    ],
)
def test_a_column_of_parts_that_is_not_clear_is_refused(tmp_path: Path, rows: tuple[str, ...], reason: str) -> None:
    path = _table(tmp_path / "d.csv", *rows, head="text,label,part")
    with pytest.raises(DataError, match=reason):
        _corpus(path=path, split_column="part")


def test_a_column_of_parts_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = _table(tmp_path / "d.csv", "one,x", "two,y")
    with pytest.raises(DataError, match="no column 'part'; there are: text, label"):
        _corpus(path=path, split_column="part")
    (tmp_path / "a.conll").write_text("a O\nb B\n\nc O\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"data\.split_column: .*a\.conll is read as conll, which has no column 'part'"):
        _corpus(WORDS, path=str(tmp_path / "a.conll"), split_column="part")


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train", "test"), ("train", "test")),
        (("Training", " DEV ", "Test"), ("train", "validation", "test")),
        (("train", "eval"), ("train", "validation")),
        (("train", "valid", "eval"), ("train", "validation", "test")),
        (("train", "eval", "test"), ("train", "validation", "test")),
        (("train", "dev", "test", "eval"), ("train", "validation", "test", None)),
        (("train", "holdout"), ("train", None)),
    ],
)
def test_what_people_call_parts_is_understood(names: tuple[str, ...], parts: tuple[str | None, ...]) -> None:
    assert tuple(parts_of(names).values()) == parts


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("train", "train"),
        ("train-00000-of-00002", "train"),
        ("snli_1.0_dev", "dev"),
        ("en_ewt-ud-train", "train"),
        ("test1", "test"),
        ("dev_matched", "dev"),
        ("plan-of-a-test-run", None),
        ("train_test", None),
        ("contest", None),
    ],
)
def test_the_part_in_the_name_of_a_file_is_its_first_or_last_word(name: str, word: str | None) -> None:
    assert word_of(name) == word
