"""CoNLL files of every kind: the words, labels and sentences that a careful person reads from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.data.dataset import DataError
from trainables.data.how_read import Columns, HowRead, ReadOptions
from trainables.data.items import items_of

TAGGING = ("words", "labels")


def _read(
    folder: Path, text: str, name: str = "a.conll", columns: Columns | None = None, **options: object
) -> tuple[list[tuple[list[str], list[str]]], HowRead]:
    path = folder / name
    path.write_bytes(text.encode())
    how = HowRead(str(path))
    items = items_of(path, ReadOptions(fields=TAGGING, columns=columns or {}, **options), how)  # type: ignore[arg-type]
    return [(item["words"], item["labels"]) for item in items], how


def test_words_with_blanks_in_tab_separated_cells_stay_whole(tmp_path: Path) -> None:
    text = "Yesterday\tO\nNew York\tB-Invoice Number\n\nOrder\tB-Order Number\n"
    assert _read(tmp_path, text)[0] == [
        (["Yesterday", "New York"], ["O", "B-Invoice Number"]),
        (["Order"], ["B-Order Number"]),
    ]


def test_a_no_break_space_belongs_to_its_word(tmp_path: Path) -> None:
    sentences, how = _read(tmp_path, "10\u00a0000 B-NUM\neuros O\n\nein\u3000Wort O\n")
    assert sentences == [(["10\u00a0000", "euros"], ["B-NUM", "O"]), (["ein\u3000Wort"], ["O"])]
    assert how.changed


def test_comments_of_multiconer_are_no_words_although_they_have_as_many_cells(tmp_path: Path) -> None:
    text = "# id a1 domain=en\nbus _ _ O\nLondon _ _ B-LOC\n\n# id a2 domain=en\ncat _ _ O\n"
    sentences, how = _read(tmp_path, text)
    assert sentences == [(["bus", "London"], ["O", "B-LOC"]), (["cat"], ["O"])]
    assert "2 comment lines are left out, the first in row 1" in how.remarks
    assert how.changed


def test_comments_of_a_tab_separated_file_may_hold_blanks(tmp_path: Path) -> None:
    text = "# lang = en\nvalve\tB-PART\n\n# text = It is closed\nclosed\tO\n"
    assert _read(tmp_path, text)[0] == [(["valve"], ["B-PART"]), (["closed"], ["O"])]


@pytest.mark.parametrize("separator", ["\t", " "])
def test_a_number_sign_that_has_a_label_is_a_word(tmp_path: Path, separator: str) -> None:
    rows = [("Order", "O"), ("#", "O"), ("7", "B-NUM")], [("#", "O"), ("8", "B-NUM")], [("#tag", "O"), ("9", "B-NUM")]
    text = "\n\n".join("\n".join(separator.join(row) for row in sentence) for sentence in (*rows, [("x", "O")]))
    sentences, how = _read(tmp_path, text + "\n")
    assert [words for words, _ in sentences] == [["Order", "#", "7"], ["#", "8"], ["#tag", "9"], ["x"]]
    assert not how.changed


def test_germeval_counts_its_words_and_has_nested_tags_behind_the_outer_ones(tmp_path: Path) -> None:
    text = (
        "#\thttp://de.wikipedia.org/wiki/X [2009-10-17]\n"
        "1\tAufgrund\tO\tO\n2\tder\tO\tO\n3\tUniversität Bonn\tB-ORG\tB-LOC\n\n"
        "#\thttp://de.wikipedia.org/wiki/Y [2009-10-17]\n1\tEr\tO\tO\n2\tkam\tO\tO\n"
    )
    sentences, how = _read(tmp_path, text)
    assert sentences == [
        (["Aufgrund", "der", "Universität Bonn"], ["O", "O", "B-ORG"]),
        (["Er", "kam"], ["O", "O"]),
    ]
    assert how.columns == {"words": "column 2", "labels": "column 3"}
    nested, _ = _read(tmp_path, text, columns={"labels": 4})
    assert nested[0][1] == ["O", "O", "B-LOC"]
    assert _read(tmp_path, text, columns={"labels": -1})[0] == nested


CONLLU = (
    "# sent_id = s-1\n# text = Vámonos al mar\n"
    "1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tVamos\tir\tVERB\tV\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\tP\t_\t1\tobj\t_\t_\n"
    "3\tmar\tmar\tNOUN\tN\t_\t1\tobl\t_\tSpaceAfter=No\n3.1\tvan\tir\tVERB\t_\t_\t_\t_\t_\t_\n\n"
    "# sent_id = s-2\n1\tSí\tsí\tINTJ\tI\t_\t0\troot\t_\t_\n\n"
)


@pytest.mark.parametrize("name", ["es-ud-train.conllu", "es.conll"])
def test_conllu_gives_forms_and_universal_tags(tmp_path: Path, name: str) -> None:
    sentences, how = _read(tmp_path, CONLLU, name)
    assert sentences == [(["Vamos", "nos", "mar"], ["VERB", "PRON", "NOUN"]), (["Sí"], ["INTJ"])]
    assert how.columns["labels"] == "column 4 (upos)"
    assert any("2 lines of multiword tokens" in remark for remark in how.remarks)


def test_conllu_columns_have_names_and_sentences_their_ids(tmp_path: Path) -> None:
    assert _read(tmp_path, CONLLU, columns={"labels": "xpos"})[0][0][1] == ["V", "P", "N"]
    items = items_of(tmp_path / "a.conll", ReadOptions(fields=TAGGING), HowRead("a"))
    assert [item["id"] for item in items] == ["s-1", "s-2"]


@pytest.mark.parametrize("header", ["word\tlabel", "Token\tNER", "text\tpos\tner_tags"])
def test_a_header_line_is_no_data(tmp_path: Path, header: str) -> None:
    middle = "\tX" * (header.count("\t") - 1)
    text = f"{header}\nParis{middle}\tB-LOC\nis{middle}\tO\n\nbig{middle}\tO\n"
    sentences, how = _read(tmp_path, text)
    assert sentences == [(["Paris", "is"], ["B-LOC", "O"]), (["big"], ["O"])]
    assert how.header
    assert how.changed


def test_a_header_can_be_denied_and_its_names_used(tmp_path: Path) -> None:
    text = "word\tlabel\nParis\tB-LOC\n\nx\tO\n"
    assert _read(tmp_path, text, header=False)[0][0] == (["word", "Paris"], ["label", "B-LOC"])
    named = "ner\tform\nB-LOC\tParis\n\nO\tx\n"
    assert _read(tmp_path, named, columns={"words": "form", "labels": "ner"})[0][0] == (["Paris"], ["B-LOC"])


def test_a_word_that_is_called_word_is_data_where_its_label_is_one(tmp_path: Path) -> None:
    assert _read(tmp_path, "text B-DOC\nis O\n\nso O\n")[0][0] == (["text", "is"], ["B-DOC", "O"])
    sentences, how = _read(tmp_path, "word O\nword O\n\nParis B-LOC\n")
    assert sentences[0] == (["word", "word"], ["O", "O"])
    assert not how.changed


def test_blank_lines_may_hold_white_space_and_documents_end_sentences(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O O\n \t\na X Y O\n   \nb X Y O\n-DOCSTART- -X- O O\nc X Y O\n"
    assert [words for words, _ in _read(tmp_path, text)[0]] == [["a"], ["b"], ["c"]]


def test_an_empty_word_in_a_tab_separated_file_keeps_its_place(tmp_path: Path) -> None:
    assert _read(tmp_path, "a\tO\n\tB-X\n\nb\tO\n")[0][0] == (["a", ""], ["O", "B-X"])


@pytest.mark.parametrize("name", ["train.txt", "train.conll.txt", "train.tsv", "dev.conll.gz"])
def test_conll_is_recognised_under_other_names(tmp_path: Path, name: str) -> None:
    text = "Paris\tB-LOC\nis\tO\n\nbig\tO\n.\tO\n\n"
    if name.endswith(".gz"):
        import gzip

        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
        items = items_of(tmp_path / name, ReadOptions(fields=TAGGING), HowRead(name))
        assert [item["words"] for item in items] == [["Paris", "is"], ["big", "."]]
    else:
        assert _read(tmp_path, text, name)[0] == [(["Paris", "is"], ["B-LOC", "O"]), (["big", "."], ["O", "O"])]


def test_a_table_of_words_with_a_header_stays_a_table(tmp_path: Path) -> None:
    text = "sentence_id\twords\tlabels\n1\tParis\tB-LOC\n1\tis\tO\n2\tbig\tO\n"
    sentences, how = _read(tmp_path, text, "a.tsv")
    assert sentences == [(["Paris", "is"], ["B-LOC", "O"]), (["big"], ["O"])]
    assert how.format == "tsv"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("New York B-LOC\nis O\nbig O\n\nso O\n", r"row 1: 3 cells where other lines have 2.*needs tabs"),
        ("a\tO\nb\tX\tO\nc\tO\n\nd\tO\n", r"row 2: 3 cells where other lines have 2"),
        ("a O\nb\n", r"row 2: a CoNLL line needs a word and a label, got 'b'"),
        ("a\nb\n\nc\n", r"row 1: a CoNLL line needs a word and a label.*data.delimiter"),
        ("nw/x 0 0 The DT\nnw/x 0 1 cat NN\nnw/x 0 2 sat VB\n\nnw/x 0 0 So RB\n", r"column 1 is 'nw/x' in every row"),
    ],
)
def test_lines_that_do_not_fit_are_refused_with_row_and_remedy(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _read(tmp_path, text)


def test_columns_can_be_declared_for_lines_that_end_differently_in_each_sentence(tmp_path: Path) -> None:
    text = "nw/x 0 0 The DT (NP *\nnw/x 0 1 cat NN NP) *\n\nnw/x 0 0 So RB *\nnw/x 0 1 it PRP *\n"
    sentences, _ = _read(tmp_path, text, columns={"words": 4, "labels": 5})
    assert sentences == [(["The", "cat"], ["DT", "NN"]), (["So", "it"], ["RB", "PRP"])]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"labels": 3}, r"data.columns.labels: .* has no column 3; give a number from 1 to 2"),
        ({"labels": "ner"}, r"has no column 'ner'; give a number from 1 to 2"),
        ({"text": 1}, r"data.columns: a CoNLL file has words and labels, no text"),
    ],
)
def test_wrong_columns_are_refused(tmp_path: Path, columns: Columns, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        _read(tmp_path, "a O\nb O\n\nc O\n", columns=columns)


def test_another_delimiter_can_be_declared(tmp_path: Path) -> None:
    assert _read(tmp_path, "a|O\nNew York|B-LOC\n\nb|O\n", delimiter="|")[0][0] == (["a", "New York"], ["O", "B-LOC"])


def test_plain_files_keep_their_first_reading(tmp_path: Path) -> None:
    _, how = _read(tmp_path, "-DOCSTART- -X- O\n\nThe DT O\nbus NN B-X\n\nA DT O\n")
    assert not how.changed
    assert not how.notes


def test_hashtags_that_begin_every_sentence_are_words(tmp_path: Path) -> None:
    text = "#love O\nParis B-LOC\n\n#rain O\nagain O\n\n"
    assert _read(tmp_path, text)[0] == [(["#love", "Paris"], ["O", "B-LOC"]), (["#rain", "again"], ["O", "O"])]
    text = "#love O\nParis B-LOC\n\n#rain O\nBonn B-LOC\n\n"
    assert _read(tmp_path, text)[0] == [(["#love", "Paris"], ["O", "B-LOC"]), (["#rain", "Bonn"], ["O", "B-LOC"])]


def test_names_of_several_documents_are_not_the_words_of_conll_2012(tmp_path: Path) -> None:
    one = "#begin document (a)\na/1 0 0 In IN *\na/1 0 1 May NNP (DATE)\n\n#end document\n"
    other = "#begin document (b)\na/2 0 0 The DT (DATE*\na/2 0 1 day NN *)\n\n#end document\n"
    with pytest.raises(DataError, match=r"column 1 is 'a/1' and others, each in every row of a sentence.*words: 4"):
        _read(tmp_path, one + other)
    assert _read(tmp_path, one + other, columns={"words": 4, "labels": 6})[0] == [
        (["In", "May"], ["*", "(DATE)"]),
        (["The", "day"], ["(DATE*", "*)"]),
    ]
