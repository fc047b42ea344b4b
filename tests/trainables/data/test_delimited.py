"""Tables in text files: what separates cells, what quotes mean, which columns are data; pandas reads the same cells."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trainables.data.dataset import DataError, Item
from trainables.data.how_read import HowRead, ReadOptions
from trainables.data.items import items_of, read_items
from trainables.data.readers import text

CLASSES = ("text", "label")


def _read(
    folder: Path, name: str, content: str | bytes, fields: tuple[str, ...] = CLASSES, **options: Any
) -> tuple[list[Item], HowRead]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    how = HowRead(str(path))
    return items_of(path, ReadOptions(fields=fields, **options), how), how


def _pairs(items: list[Item]) -> list[tuple[str, str]]:
    return [(item["text"], item["label"]) for item in items]


def test_a_tsv_that_encloses_cells_is_read_without_the_quotes(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "a.tsv", 'text\tlabel\n"He said ""ok"" twice"\tneg\nPlain\tpos\n')
    assert items == [
        {"text": 'He said "ok" twice', "label": "neg", "id": 2},
        {"text": "Plain", "label": "pos", "id": 3},
    ]
    assert (how.quoting, how.changed) == ("csv", True)
    assert any("quotes enclose cells" in remark for remark in how.remarks)


def test_quoting_none_keeps_the_quotes_of_a_tsv_and_csv_takes_them_away(tmp_path: Path) -> None:
    content = 'text\tlabel\n"He said ""ok"""\tneg\n"Quoted"\tpos\n'
    assert _pairs(_read(tmp_path, "a.tsv", content, quoting="none")[0]) == [
        ('"He said ""ok"""', "neg"),
        ('"Quoted"', "pos"),
    ]
    literal = 'text\tlabel\n"Quoted"\tpos\nPlain\tneg\n'
    assert _pairs(_read(tmp_path, "b.tsv", literal)[0])[0] == ('"Quoted"', "pos")
    assert _pairs(_read(tmp_path, "b.tsv", literal, quoting="csv")[0])[0] == ("Quoted", "pos")


@pytest.mark.parametrize(
    "body",
    [
        '"Yes" he said\tpos\n',  # a quote at the start of a cell that encloses nothing
        'a 5" pipe\tpos\n',
        '"An open quote\tpos\nand its end"\tneg\n',  # enclosed over two lines it would be one row of two cells
        '"Wholly quoted."\tpos\nNot quoted.\tneg\n',
        '"one ""two"" three"\tpos\na 5" pipe\tneg\n',
    ],
)
def test_quotes_that_are_text_stay(tmp_path: Path, body: str) -> None:
    items, how = _read(tmp_path, "a.tsv", "text\tlabel\n" + body)
    assert _pairs(items) == [tuple(line.split("\t")) for line in body.splitlines()]
    assert (how.quoting, how.changed) == ("none", False)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("index", [True, False])
def test_a_tsv_of_pandas_is_read_as_pandas_reads_it(tmp_path: Path, quoting: Any, index: bool) -> None:
    generator = random.Random(7)
    tokens = ["rain", '"sun"', "a,b", "x\ty", '"', "two\nlines", "it's", "", "Größe"]
    texts = [" ".join(generator.choices(tokens, k=6)) + " end" for _ in range(300)]
    frame = pd.DataFrame({"premise": texts, "hypothesis": texts[::-1], "label": ["yes", "no"] * 150})
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=index, quoting=quoting)
    columns = {"text": "premise", "text_pair": "hypothesis"}
    items = read_items(tmp_path / "a.tsv", columns=columns)
    again = pd.read_csv(tmp_path / "a.tsv", sep="\t", keep_default_na=False, index_col=0 if index else None)
    assert [(item["text"], item["text_pair"], item["label"]) for item in items] == list(
        again[["premise", "hypothesis", "label"]].itertuples(index=False, name=None)
    )
    assert [item["text"] for item in items] == texts


def test_text_with_tabs_from_a_spreadsheet_encloses_cells_with_commas(tmp_path: Path) -> None:
    items, _ = _read(tmp_path, "a.txt", 'text\tlabel\r\n"Well, no"\tneg\r\nYes\tpos\r\n', format="tsv")
    assert _pairs(items) == [("Well, no", "neg"), ("Yes", "pos")]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_delimiter_is_recognised_although_texts_hold_commas(tmp_path: Path, name: str, mark: str) -> None:
    content = f"text{mark}label\nGood, really{mark}pos\nBad, and dull{mark}neg\n"
    items, how = _read(tmp_path, name, content)
    assert _pairs(items) == [("Good, really", "pos"), ("Bad, and dull", "neg")]
    assert how.delimiter == mark
    assert how.changed == ((name, mark) != ("a.tsv", "\t"))


def test_a_comma_that_fits_wins_over_other_delimiters_in_the_texts(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "a.csv", "text,label\none; two,pos\nthree; four,neg\n")
    assert _pairs(items) == [("one; two", "pos"), ("three; four", "neg")]
    assert (how.delimiter, how.changed) == (",", False)


def test_a_given_delimiter_is_used(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "a.csv", "text~label\na,b~x\n", delimiter="~")
    assert (_pairs(items), how.delimiter) == ([("a,b", "x")], "~")


def test_the_line_that_a_spreadsheet_writes_above_a_table_names_the_delimiter(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "a.csv", "sep=;\r\ntext;label\r\nGood, really;pos\r\n")
    assert items == [{"text": "Good, really", "label": "pos", "id": 3}]
    assert how.remarks == ["row 1 says that cells are separated by semicolons"]


@pytest.mark.parametrize(("first", "second"), [("0", "1"), ("1", "2"), ("9", "4"), ("0", "0"), ("0.0", "1.0")])
def test_an_index_without_a_name_is_left_out_and_said(tmp_path: Path, first: str, second: str) -> None:
    items, how = _read(tmp_path, "a.csv", f",text,label\n{first},a,x\n{second},b,y\n")
    assert items == [{"text": "a", "label": "x", "id": 2}, {"text": "b", "label": "y", "id": 3}]
    assert how.remarks == [f"column 1 has no name and holds whole numbers ({first}, ...): an index, left out"]


def test_a_column_number_counts_an_index_that_is_left_out(tmp_path: Path) -> None:
    items, _ = _read(tmp_path, "a.csv", ",body,class\n7,a,x\n3,b,y\n", columns={"text": 2, "label": 3})
    assert items == [{"text": "a", "label": "x", "id": 2}, {"text": "b", "label": "y", "id": 3}]


def test_row_names_of_r_are_left_out(tmp_path: Path) -> None:
    items, _ = _read(tmp_path, "a.csv", '"text","label"\n"1","a","x"\n"2","b","y"\n')
    assert _pairs(items) == [("a", "x"), ("b", "y")]


def test_a_file_without_header_has_numbered_columns(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "a.csv", 'good,1\n"bad, dull",0\n', header=False, columns={"text": 1, "label": -1})
    assert items == [{"text": "good", "label": "1", "id": 1}, {"text": "bad, dull", "label": "0", "id": 2}]
    assert how.header is False


def test_blank_lines_and_empty_rows_are_left_out_and_the_empty_ones_counted(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "a.tsv", "text\tlabel\n\na\tx\n   \n\t\nb\ty\n\n")
    assert items == [{"text": "a", "label": "x", "id": 3}, {"text": "b", "label": "y", "id": 6}]
    assert how.notes == ["1 rows without any text are left out"]


def test_a_delimiter_at_the_end_of_each_row_begins_no_column(tmp_path: Path) -> None:
    expected = [("a", "x"), ("b", "y")]
    assert _pairs(_read(tmp_path, "a.csv", "text,label,\na,x,\nb,y,\n")[0]) == expected
    assert _pairs(_read(tmp_path, "b.csv", "text,label\na,x,\nb,y,\n")[0]) == expected


def test_newlines_in_quotes_belong_to_the_cell(tmp_path: Path) -> None:
    items, _ = _read(tmp_path, "a.csv", 'text,label\n"one\ntwo",x\nthree,y\n')
    assert items == [{"text": "one\ntwo", "label": "x", "id": 3}, {"text": "three", "label": "y", "id": 4}]


def test_a_cell_can_be_as_long_as_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "x" * 300_000
    items, _ = _read(tmp_path, "a.csv", f"text,label\n{long},a\nshort,b\n")
    assert [len(item["text"]) for item in items] == [300_000, 5]
    monkeypatch.setattr(text, "MAX_ROW_BYTES", 200_000)
    with pytest.raises(DataError, match="row 2: longer than 200,000 bytes"):
        _read(tmp_path, "b.csv", f"text,label\n{long},a\nshort,b\n")


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("utf-16", "utf-16-le"),
        ("cp1252", "cp1252"),
        ("latin-1", "latin-1"),
        ("utf-16", None),
        ("utf-8-sig", None),
        ("utf-16-le", "utf-16-le"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, given: str | None) -> None:
    content = "text,label\nGrüße, naïve,x\n".replace("Grüße, naïve", '"Grüße, naïve"').encode(encoding)
    items, how = _read(tmp_path, "a.csv", content, encoding=given)
    assert _pairs(items) == [("Grüße, naïve", "x")]
    assert how.encoding is not None


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", ",text,\nq,a,x\nr,b,y\n", r"row 1: .* column 1 has no name; name it.*header: false"),
        ("a.csv", "text,text\na,x\n", r"row 1: .* columns 1 and 2 are both 'text'; rename one"),
        ("a.csv", "text,label\na,x\nb, c,y\n", r"row 3: 3 values for 2 columns; a cell with a comma inside must stand"),
        ("a.tsv", "text\tlabel\na\tx\nb\n", r"row 3: 1 values for 2 columns; cells are separated by tabs"),
        ("a.csv", 'text,label\n"a "b"",x\n', r"row 2: .*; a quote inside a cell in quotes must be doubled"),
        ("a.csv", "text,label\na\0b,x\n", r"row 2: holds zero bytes.*utf-16"),
        ("a.csv", "text,label\na,x\rb,y\r", r"row 2: .*line ends of Unix or Windows"),
        (
            "a.csv",
            "Good film,pos\nBad film,neg\n",
            r"there is no column 'text'; there are: Good film, pos.*header: false",
        ),
        ("a.csv", "Text,Label\na,x\nb,y\n", r"there is no column 'text'; .* `data: \{columns: \{text: 'Text'\}\}`"),
        ("a.csv", "text~label\na~x\n", r"there is no column 'text'; there are: text~label.*set data.delimiter"),
    ],
)
def test_a_table_that_cannot_be_read_is_explained(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        _read(tmp_path, name, content)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jsonl", {"delimiter": ";"}),
        ("a.json", {"header": False}),
        ("a.txt", {"quoting": "none"}),
        ("a.conll", {"quoting": "csv"}),
        ("a.parquet", {"encoding": "cp1252"}),
    ],
)
def test_a_setting_that_a_format_does_not_have_is_refused(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    (setting,) = options
    with pytest.raises(DataError, match=rf"data.{setting}: .*{name} is read as \w+, which has no {setting}; remove it"):
        _read(tmp_path, name, "{}", **options)


def test_utf16_without_a_mark_is_refused_and_not_read_as_letters_and_zeros(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 1: holds zero bytes.*encoding: utf-16-le"):
        _read(tmp_path, "a.csv", "text,label\na,x\n".encode("utf-16-le"))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.conll", "a.txt"])
def test_a_compressed_file_that_is_cut_short_is_named(tmp_path: Path, name: str) -> None:
    content = "".join(f"{number} O\n\n" for number in range(20_000)) if name == "a.conll" else "text,label\n" * 20_000
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(content.encode())[:-200])
    with pytest.raises(DataError, match=r"cut short or damaged .*; copy or download it again"):
        read_items(path)


def test_a_number_for_a_label_needs_no_list(tmp_path: Path) -> None:
    items, _ = _read(tmp_path, "a.csv", "text,label,words\na,27,3\nb,28,4\n")
    assert _pairs(items) == [("a", "27"), ("b", "28")]


def test_a_deeply_nested_cell_is_refused_with_its_row(tmp_path: Path) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    with pytest.raises(DataError, match=r"row 3: words is (nested too deeply|neither)"):
        _read(tmp_path, "a.csv", f'words,labels\n"[""a""]","[""O""]"\n"{deep}","[""O""]"\n', ("words", "labels"))


def test_an_item_is_not_taken_for_the_names_of_columns_that_are_given_by_number(tmp_path: Path) -> None:
    content = "ham\tGo until\nspam\tFree entry\nham\tU dun\n"
    columns = {"label": 1, "text": 2}
    with pytest.raises(DataError, match=r"row 1: is it an item .* 'ham'.*`data: \{header: false\}`"):
        _read(tmp_path, "a.tsv", content, columns=columns)
    items, _ = _read(tmp_path, "a.tsv", content, columns=columns, header=False)
    assert _pairs(items) == [("Go until", "ham"), ("Free entry", "spam"), ("U dun", "ham")]
    items, _ = _read(tmp_path, "a.tsv", content, columns=columns, header=True)
    assert _pairs(items) == [("Free entry", "spam"), ("U dun", "ham")]
    items, _ = _read(tmp_path, "a.tsv", "label\ttext\nham\tGo\nspam\tFree\n", columns=columns)
    assert _pairs(items) == [("Go", "ham"), ("Free", "spam")]


def test_a_header_that_occurs_again_is_no_item(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "a.csv", "text,label\nGood,pos\ntext,label\nBad,neg\n")
    assert items == [{"text": "Good", "label": "pos", "id": 2}, {"text": "Bad", "label": "neg", "id": 4}]
    assert how.changed
    assert how.notes == ["the header occurs again in 1 later row: left out"]


def test_quotes_after_a_blank_are_said_to_be_text(tmp_path: Path) -> None:
    items, how = _read(tmp_path, "a.csv", 'text, label\n"Good", "pos"\n"Bad", "neg"\n')
    assert _pairs(items) == [("Good", ' "pos"'), ("Bad", ' "neg"')]
    assert ["remove the blanks after the delimiters" in note for note in how.notes] == [True]


def test_one_single_quote_among_doubled_ones_is_pointed_out(tmp_path: Path) -> None:
    content = 'text\tlabel\n"say ""hi"""\tpos\n"say ""ho"""\tneg\n5" disk\tneg\n'
    items, how = _read(tmp_path, "a.tsv", content)
    assert _pairs(items)[0] == ('"say ""hi"""', "pos")
    assert ["if quotes enclose cells, set `data: {quoting: csv}`" in note for note in how.notes] == [True]
    items, how = _read(tmp_path, "a.tsv", content, quoting="csv")
    assert _pairs(items) == [('say "hi"', "pos"), ('say "ho"', "neg"), ('5" disk', "neg")]
    assert how.notes == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("text;label\nHello, you;pos\na; b;neg\n", r"if semicolons separate the cells, set `data: \{delimiter: ';'\}`"),
        ("# by Ada\ntext,label\na,pos\n", r"row 1 is read as the name of the only column \('# by Ada'\): remove lines"),
        ("text,label\ra,pos\rb,neg\r", "row 1: holds a line end of old Macs .*; save the file with the line ends of"),
    ],
)
def test_a_table_whose_rows_do_not_fit_its_header_is_explained(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _read(tmp_path, "a.csv", content)
