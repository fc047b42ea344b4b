"""Every format gives the same items; whatever is wrong with a file is said with its row and a reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.data.dataset import DataError
from trainables.data.how_read import HowRead, ReadOptions
from trainables.data.items import items_of, read_items
from trainables.data.readers import read_rows, text

ITEMS = [
    {"id": 7, "words": ["The", "bus", "shall"], "labels": ["O", "Power", "O"]},
    {"id": 8, "words": ["Each", "cell"], "labels": ["O", "Power"]},
]
WORD_ROWS = [
    {"sentence_id": item["id"], "words": word, "labels": label}
    for item in ITEMS
    for word, label in zip(item["words"], item["labels"], strict=True)  # type: ignore[call-overload]
]


def _write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_a_json_list_of_sentences(tmp_path: Path) -> None:
    assert read_items(_write(tmp_path / "a.json", json.dumps(ITEMS))) == ITEMS


def test_a_json_list_of_words(tmp_path: Path) -> None:
    assert read_items(_write(tmp_path / "a.json", json.dumps(WORD_ROWS, indent=1))) == ITEMS


def test_jsonl_with_a_byte_order_mark_crlf_and_empty_lines(tmp_path: Path) -> None:
    text = "\ufeff" + "\r\n\r\n".join(json.dumps(item) for item in ITEMS) + "\r\n"
    assert read_items(_write(tmp_path / "a.jsonl", text)) == ITEMS


def test_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(item) for item in ITEMS).encode()))
    assert read_items(path) == ITEMS


def test_parquet_by_sentence_and_by_word(tmp_path: Path) -> None:
    for name, rows in (("sentences.parquet", ITEMS), ("words.parquet", WORD_ROWS)):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
        assert read_items(tmp_path / name) == ITEMS


def test_tables_of_words_have_text_ids(tmp_path: Path) -> None:
    expected = [{**item, "id": str(item["id"])} for item in ITEMS]
    for name, mark in (("a.csv", ","), ("a.tsv", "\t")):
        lines = [mark.join(("sentence_id", "words", "labels"))]
        lines += [mark.join((str(row["sentence_id"]), row["words"], row["labels"])) for row in WORD_ROWS]
        assert read_items(_write(tmp_path / name, "\n".join(lines))) == expected


def test_a_csv_of_sentences_holds_json_lists(tmp_path: Path) -> None:
    text = 'id,words,labels\n7,"[""The"", ""bus""]","[""O"", ""Power""]"\n'
    assert read_items(_write(tmp_path / "a.csv", text)) == [
        {"id": "7", "words": ["The", "bus"], "labels": ["O", "Power"]}
    ]


def test_quotes_in_a_tsv_are_literal(tmp_path: Path) -> None:
    rows = dict(read_rows(_write(tmp_path / "a.tsv", 'text\tlabel\n"so\t1\n')))
    assert rows == {2: {"text": '"so', "label": "1"}}


def test_conll_with_and_without_docstart(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O\n\nThe DT O\nbus NN Power\nshall MD O\n\n\nEach DT O\ncell NN Power\n"
    items = read_items(_write(tmp_path / "a.conll", text))
    assert items == [{**ITEMS[0], "id": 3}, {**ITEMS[1], "id": 8}]


def test_columns_are_renamed(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", '{"key": "a", "tokens": ["x"], "tags": ["O"], "page": 3}')
    columns = {"id": "key", "words": "tokens", "labels": "tags", "cluster": "page"}
    assert read_items(path, columns=columns) == [{"id": "a", "words": ["x"], "labels": ["O"], "cluster": 3}]


def test_items_without_an_id_get_their_row(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", '{"words": ["x"]}\n\n{"words": ["y"]}')
    assert [item["id"] for item in read_items(path)] == [1, 3]


GOOD = '{"id": 1, "words": ["x"], "labels": ["O"]}\n'


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", GOOD + '{"id": 2, "words": [\n', r"row 2: broken JSON"),
        ("a.jsonl", GOOD + "[1]\n", r"row 2: expected a JSON object, got list"),
        ("a.jsonl", GOOD + '{"id": 2, "score": NaN}\n', r"row 2: broken JSON: NaN is not a JSON number"),
        ("a.jsonl", GOOD + '{"id": 1, "words": ["y"]}\n', r"row 2: the id 1 was already used at row 1"),
        ("a.jsonl", GOOD + '{"id": "1", "words": ["y"]}\n', r"row 2: the id '1' was already used"),
        ("a.jsonl", '{"id": true}\n', r"row 1: an id must be text or a whole number, got True"),
        ("a.jsonl", '{"id": 1.5}\n', r"row 1: an id must be text or a whole number, got 1\.5"),
        ("a.jsonl", "[" * 200_000, r"row 1: (JSON is nested too deeply|broken JSON)"),
        ("a.jsonl", "", r"holds no rows"),
        ("a.json", '[{"id": 1}, {"id": 2} {"id": 3}]', r"row 2: expected ',' or '\]'"),
        ("a.json", '[{"id": 1}, {"id": ]', r"row 2: broken JSON"),
        ("a.json", '[{"id": 1}', r"row 1: expected ',' or '\]'"),
        ("a.json", '[{"id": 1}] x', r"row 1: something follows"),
        ("a.json", '{"id": 1}', r"must hold one list of objects"),
        ("a.json", "[]", r"holds no rows"),
        ("a.json", '[{"sentence_id": 0, "words": "x", "labels": 3}]', r"row 1: labels must be text, got 3"),
        (
            "a.json",
            '[{"sentence_id": 0, "words": "x"}, {"sentence_id": 0, "words": null}]',
            r"row 2: words must be text",
        ),
        ("a.csv", "id,words\n1,x\n2\n", r"row 3: 1 values for 2 columns"),
        ("a.csv", "id,id\n1,x\n", r"row 1: the column names must be distinct"),
        ("a.csv", 'id,words\n1,"x\n', r"row \d+: unexpected end of data"),
        (
            "a.csv",
            "text,words\n1,x\n",
            r"row 2: words is 'x', neither a list nor a word of .*; give lists, or one word",
        ),
        ("a.conll", "The O\nbus\n", r"row 2: a CoNLL line needs a word and a label, got 'bus'"),
        ("a.parquet", "not parquet at all", r"not a readable Parquet file"),
        ("a.dat", "x", r"unknown format '\.dat'"),
        ("a.pkl", "x", r"\.pkl files can run code"),
        ("a.pt", "x", r"\.pt files can run code"),
        ("a.npy.gz", "x", r"\.npy files can run code"),
    ],
)
def test_a_broken_file_is_explained(tmp_path: Path, name: str, content: str, reason: str) -> None:
    path = _write(tmp_path / name, content)
    with pytest.raises(DataError, match=reason) as caught:
        read_items(path)
    assert str(path) in str(caught.value)


def test_the_same_sentence_in_two_places_is_a_duplicate(tmp_path: Path) -> None:
    rows = [{"sentence_id": key, "words": "x", "labels": "O"} for key in (0, 1, 0)]
    with pytest.raises(DataError, match="row 3: the id 0 was already used at row 1"):
        read_items(_write(tmp_path / "a.json", json.dumps(rows)))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_bytes_that_are_not_utf8_are_located(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b'[{"id": 1},\n{"id": "\xff"}]' if name == "a.json" else GOOD.encode() + b'{"id": "\xff"}')
    with pytest.raises(DataError, match=r"row 2: byte .*0xff"):
        read_items(path)


def test_an_endless_line_is_refused_before_it_fills_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_ROW_BYTES", 1000)
    path = _write(tmp_path / "a.jsonl", GOOD + "x" * 1001)
    with pytest.raises(DataError, match="row 2: longer than 1,000 bytes"):
        read_items(path)


def test_a_missing_column_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", GOOD)
    with pytest.raises(DataError, match="row 1: no column 'tokens'; there are: id, words, labels"):
        read_items(path, columns={"words": "tokens"})
    with pytest.raises(DataError, match="no such file"):
        read_items(tmp_path / "absent.jsonl")


def test_extension_types_are_refused(tmp_path: Path) -> None:
    storage = pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2))
    tensor = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.int32(), [2]), storage)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1, 2], "nested": tensor}), path)
    with pytest.raises(DataError, match="column 'nested' has an extension type"):
        read_items(path)


def test_columns_of_0_and_1_become_one_list_of_labels(tmp_path: Path) -> None:
    columns = {"text": "Tweet", "labels": ("joy", "anger")}
    expected = [
        {"Tweet": "a", "labels": ["joy"]},
        {"Tweet": "b", "labels": []},
        {"Tweet": "c", "labels": ["joy", "anger"]},
    ]
    rows = [(1, 0), (0, 0), (1, 1)]
    lines = [f"{text},{joy},{anger}" for text, (joy, anger) in zip("abc", rows, strict=True)]
    csv = _write(tmp_path / "a.csv", "\n".join(["Tweet,joy,anger", *lines]))
    truth = [{"Tweet": text, "joy": bool(joy), "anger": anger} for text, (joy, anger) in zip("abc", rows, strict=True)]
    pq.write_table(pa.Table.from_pylist(truth), tmp_path / "a.parquet")
    for path, first in ((csv, 2), (tmp_path / "a.parquet", 1)):
        items = read_items(path, columns=columns)
        assert items == [
            {"id": first + number, "text": item["Tweet"], "labels": item["labels"]}
            for number, item in enumerate(expected)
        ]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (("joy", "anger"), "row 3: anger must be 0 or 1 .*, got 'maybe'"),
        (("joy", "fear"), "row 2: no column 'fear'; there are: text, joy, anger"),
        (("text",), "row 2: text must be 0 or 1 .*, got 'x'"),
    ],
)
def test_a_column_that_marks_no_label_is_named_with_its_row(
    tmp_path: Path, columns: tuple[str, ...], reason: str
) -> None:
    path = _write(tmp_path / "a.csv", "text,joy,anger\nx,1,0\ny,0,maybe\n")
    with pytest.raises(DataError, match=reason):
        read_items(path, columns={"labels": columns})


def test_a_table_that_is_called_txt_is_read_as_a_table_by_a_task_that_needs_columns(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.txt", 'text\tlabel\nso "so\tneg\nfine\tpos\n')
    how = HowRead(str(path))
    items = items_of(path, ReadOptions(fields=("text", "label")), how)
    assert [(item["text"], item["label"]) for item in items] == [('so "so', "neg"), ("fine", "pos")]
    assert how.format == "tsv"
    assert items_of(path, ReadOptions(fields=("text",)), HowRead(str(path)))[0]["text"] == "text\tlabel"
    running = _write(tmp_path / "more.txt", "a\tb\nno tab here\n")
    with pytest.raises(DataError, match="label"):
        items_of(running, ReadOptions(fields=("text", "label")), HowRead(str(running)))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.conll", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n", "run `git lfs pull`"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n", "run `git lfs pull`"),
        ("a.csv", b"<!DOCTYPE html>\n<html><body>a, b</body></html>\n", "a web page and not the data"),
        ("a.csv", b"\x1f\x8b\x08\x00text,label\n", r"compressed with gzip: name it a\.csv\.gz"),
        ("a.jsonl", b"PAR1\x15\x04", r"is a Parquet file: set `data: \{format: parquet\}`"),
        ("a.xlsx", b"anything", "export the sheet as CSV"),
        ("a.zip", b"anything", "unpack it"),
        ("a.conll", b"Paris B-LOC\ris O\r\rRain O\r", "row 1: holds line ends of old Macs"),
        ("a.txt", b"One text\rOther text\r", "row 1: holds line ends of old Macs"),
    ],
)
def test_what_is_no_data_is_named_with_what_to_do(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_items(path)


def test_a_carriage_return_within_one_of_several_texts_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"One\rtext\nOther text\n")
    assert [item["text"] for item in read_items(path)] == ["One\rtext", "Other text"]


def test_an_id_that_occurs_twice_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text,label\n7,a,x\n7,b,y\n")
    with pytest.raises(DataError, match=r"remove one of them, or, .*`data: \{columns: \{cluster: id\}\}`"):
        items_of(path, ReadOptions(fields=("text", "label")), HowRead(str(path)))
    items = items_of(path, ReadOptions(fields=("text", "label"), columns={"cluster": "id"}), HowRead(str(path)))
    assert [(item["id"], item["cluster"]) for item in items] == [(2, "7"), (3, "7")]


def test_a_table_of_words_without_header_is_told_that_it_may_be_conll(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("Paris\tB-LOC\nis\tO\nbig\tO\n")
    with pytest.raises(DataError, match=r"if each line is a word with its label, set `data: \{format: conll\}`"):
        items_of(path, ReadOptions(fields=("words", "labels")), HowRead(str(path)))
