"""Tables of other tools: names are text, numbers are read in one way or refused, and every refusal says what to do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.tables.foreign.numbers import read_keys, read_scores
from analysis.tables.foreign.table import Columns, Refused
from analysis.tables.read import read
from tests.analysis.frames import rows, write_compacted

HEADER = "system,seed,score\n"


def written(folder: Path, text: str | bytes, name: str = "x.csv") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("01", "1"),
        ("1.0", "1"),
        ("1e10", "10000000000"),
        ("TRUE", "True"),
        ("NA", "nan"),
        ("null", "None"),
        ("0x1", "1"),
    ],
)
def test_names_that_look_like_numbers_or_nothing_stay_two_systems(tmp_path: Path, first: str, second: str) -> None:
    results = read([written(tmp_path, f"{HEADER}{first},1,0.5\n{second},1,0.6\n")])
    assert results.runs["system"].tolist() == [first, second]
    assert results.runs["score"].tolist() == [0.5, 0.6]


def test_a_recipe_called_none_is_not_the_default_one(tmp_path: Path) -> None:
    text = "model,recipe,seed,score\nbert,None,1,0.8\nbert,default,1,0.7\nbert,,2,0.6\n01,NA,1,0.5\n"
    assert read([written(tmp_path, text)]).runs["system"].tolist() == ["bert/None", "bert", "bert", "01/NA"]


@pytest.mark.parametrize(("first", "second"), [("BERT", "bert"), ("BERT", "BERT "), ("01", "1"), ("a b", "ab")])
def test_names_that_may_be_one_are_pointed_out(tmp_path: Path, first: str, second: str) -> None:
    warnings = read([written(tmp_path, f"{HEADER}{first},1,0.5\n{second},2,0.6\nother,1,0.4\n")]).warnings
    assert [text for text in warnings if "write them alike" in text] == [
        f"systems {first!r} and {second!r} are kept apart, but their names differ only in how they are written: "
        "if they are one system, write them alike"
    ]


def test_seeds_are_numbers_where_all_are_and_else_text(tmp_path: Path) -> None:
    assert read_keys(["01", "1", "2.0", "1e3", None]) == [1, 1, 2, 1000, None]
    assert read_keys(["1", "first"]) == ["1", "first"]
    assert read_keys(["9007199254740993"]) == [9007199254740993]  # 2**53 + 1, which no float holds
    long = "1" * 38
    runs = read([written(tmp_path, f"{HEADER}a,{long},0.5\na,2,0.6\n")]).runs
    assert runs["seed"].tolist() == [long, "2"]


def test_seeds_written_in_two_ways_are_one_and_this_is_said(tmp_path: Path) -> None:
    results = read([written(tmp_path, f"{HEADER}a,01,0.5\nb,1,0.6\n")])
    assert results.runs["seed"].tolist() == [1, 1]
    assert "seeds 01 and 1 are one seed, as they are the same number" in results.warnings[0]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["0.5", " .5", "5e-1", "+0.5", "\N{MINUS SIGN}0.5"], [0.5, 0.5, 0.5, 0.5, -0.5]),
        (["81.2%", "80 %", None], [81.2, 80.0, None]),
        (["0.81 ± 0.02", "0.8+/-0.01"], [0.81, 0.8]),
        (["0,812", "0,799"], [0.812, 0.799]),
        (["12,5", "2,345"], [12.5, 2.345]),
        (["1,234.5", "2,345"], [1234.5, 2345.0]),
        (["1.234,5", "12,5"], [1234.5, 12.5]),
        (["1 234.5", "1\N{NO-BREAK SPACE}234.5", "1'234.5"], [1234.5, 1234.5, 1234.5]),
        (["1,234,567"], [1234567.0]),
        (["NA", "nan", "None", "", "n/a", "0.5"], [None, None, None, None, None, 0.5]),
    ],
)
def test_numbers_are_read_where_there_is_one_way(cells: list[str | None], numbers: list[float | None]) -> None:
    assert read_scores(cells, range(len(cells)), "x.csv", "score")[0] == numbers


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["1,234", "5,678"], r"x.csv: row 1, 2: score can be read in two ways.*decimal point"),
        (
            ["0,81", "0.79"],
            r"mixes decimal commas \(row 1\) and decimal points \(row 2\); write all of them with points",
        ),
        (["81%", "0.8"], r"row 2: score has no % sign, but other rows have one; write all scores in one unit"),
        (["0.5", "high"], r"row 2: score is not a number: 'high'; write a number, or leave the cell empty"),
        (["1_000"], "row 1: score is not a number: '1_000'"),
        (["0.5", "\u0660.\u0665"], "row 2: score is not a number"),
        (["1,2,3"], "row 1: score is not a number"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_refused(cells: list[str | None], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read_scores(cells, range(len(cells)), "x.csv", "score")


def test_a_mean_and_its_spread_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"row 1, 2: score is a mean and its spread, not the score of one run"):
        read([written(tmp_path, "model,score\na,0.81 ± 0.02\nb,0.7 ± 0.1\n")])


@pytest.mark.parametrize(
    "text",
    [
        "system;seed;score\na;1;0,5\na;2;0,25\n",
        "System , SEED,Score\na,1,0.5\na,2,0.25\n",
        "sep=;\nsystem;seed;score\na;1;0.5\na;2;0.25\n",
        "system\tseed\tscore\na\t1\t0.5\na\t2\t0.25\n",
        "system,seed,score\r\n\r\na,1,0.5,\r\na,2,0.25,\r\n",
        '"","system","seed","score"\n"1","a",1,0.5\n"2","a",2,0.25\n',
        '"system","seed","score"\n"1","a",1,0.5\n"2","a",2,0.25\n',
        "\ufeffsystem,seed,score\na,1,0.5\na,2,0.25\n",
        "model_name,random_seed,eval/f1\na,1,0.5\na,2,0.25\n",
        "seed,a\n1,0.5\n2,0.25\n".replace("seed,a\n1,0.5\n2,0.25", "seed,a,b\n1,0.5,\n2,0.25,\n3,,0.1"),
    ],
)
def test_delimiters_headers_and_line_ends_of_every_day_are_read(tmp_path: Path, text: str) -> None:
    runs = read([written(tmp_path, text)]).runs
    own = runs[runs["system"] == "a"]
    assert (own["seed"].tolist(), own["score"].tolist()) == ([1, 2], [0.5, 0.25])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_encodings_with_a_mark_are_read(tmp_path: Path, encoding: str) -> None:
    runs = read([written(tmp_path, f"{HEADER}é,1,0.5\n".encode(encoding))]).runs
    assert runs["system"].tolist() == ["é"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{HEADER}é,1,0.5\n".encode("latin-1"), r"x.csv: line 2 is not UTF-8 \(byte 0xe9\); save it as CSV in UTF-8"),
        (f"{HEADER}a,1,0.5\n".encode("utf-16-le"), "zero bytes.*save it as CSV in UTF-8"),
        (b"", "is empty: it needs a header row"),
        (b"\n \n", "is empty: it needs a header row"),
        (b"system,seed,score\na,1,0.5\nb,2\n", "row 2: the header has 3 columns, but this row has 2"),
        (b"system,seed,score\na,1,0.5\nb,2,0.3,x\n", "row 2: the header has 3 columns, but this row has 4"),
        (b'system,seed,score\n"a,1,0.5\n', "line 2: unexpected end of data; check the quotes"),
        (b"system,seed,score,score\na,1,0.5,0.6\n", "two columns called 'score' with different cells; rename one"),
        (b"a,1,0.5\nb,1,0.6\n", "its first row looks like data .*add a header row"),
        (b"PK\x03\x04", "is an Excel file or a ZIP archive, not text"),
        (b"just one column\n1\n", "has only one column: 'just one column'; separate the columns by commas"),
        (b"system,seed,score\n,1,0.5\n", "row 1: system is empty; name the system of every run"),
        (b"system,seed,score\na,1,0.5\na,,0.5\n", "row 2: seed is empty; give every run its seed"),
        (b"system,seed,f1,accuracy\na,1,0.5,0.6\n", "needs a column 'score'.*--score 'f1' or --score 'accuracy'"),
        (b"who,seed,score\na,1,0.5\n", "needs a column 'system' or 'model'.*--system COLUMN"),
        (b"system,seed,what\na,1,0.5\n", "needs a column 'score'; it has: system, seed, what.*--score COLUMN"),
        (b"Seed,SEED,system,score\n1,2,a,0.5\n", "Seed, SEED could all be the seed; say which one: --seed 'Seed'"),
    ],
)
def test_a_table_that_cannot_be_read_says_why_and_what_to_do(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read([written(tmp_path, content)])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x.xls", "save it as .xlsx or CSV"),
        ("x.pkl", "a pickle can run code and is never opened"),
        ("x", "is neither a results directory nor one of"),
        ("x.parquet", "write the table again, or as CSV"),
        ("x.json", "is not JSON"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_a_remedy(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read([written(tmp_path, b"{", name)])


def test_a_folder_that_is_called_like_a_file_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(ValueError, match=r"is not a results directory.*name a file of runs"):
        read([tmp_path / "scores.csv"])


def test_columns_are_named_by_options_in_any_case(tmp_path: Path) -> None:
    path = written(tmp_path, "Who,Which,Points\na,1,0.5\nb,1,0.6\n")
    results = read([path], columns=Columns(score="points", system=("who",), seed="WHICH"))
    assert results.runs[["system", "seed", "score"]].to_numpy().tolist() == [["a", 1, 0.5], ["b", 1, 0.6]]
    assert f"{path}: read as a table: system = Who, seed = Which, score = Points" in results.warnings
    with pytest.raises(Refused, match="--system: there is no column 'whom'; it has: Who, Which, Points"):
        read([path], columns=Columns(system=("whom",)))


def test_a_column_is_one_thing(tmp_path: Path) -> None:
    path = written(tmp_path, "system,seed,dataset,points\na,1,x,0.5\n")
    with pytest.raises(Refused, match="column 'seed' cannot be both the score and the seed; name another"):
        read([path], columns=Columns(score="seed"))
    with pytest.raises(Refused, match="column 'dataset' cannot be the score, as it says what a run is"):
        read([path], columns=Columns(score="dataset"))


def test_options_for_tables_do_nothing_to_results_of_ours_and_say_so(tmp_path: Path) -> None:
    write_compacted(tmp_path, rows({"a": [0.8]}))
    with pytest.raises(ValueError, match=r"--score, --ignore is for tables of other tools, but every source is ours"):
        read([tmp_path], columns=Columns(score="x", ignore=("y",)))


def test_typed_tables_are_read_like_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"system": ["01", "1"], "seed": [1.0, 2.0], "score": [0.1, 1 / 3], "fold": [None, None]})
    frame.to_parquet(tmp_path / "x.parquet")
    runs = read([tmp_path / "x.parquet"]).runs
    assert (runs["system"].tolist(), runs["seed"].tolist()) == (["01", "1"], [1, 2])
    assert runs["score"].tolist() == [0.1, 1 / 3]


def test_one_system_in_percent_and_another_in_shares_is_refused(tmp_path: Path) -> None:
    text = f"{HEADER}a,1,90.1\na,2,89.7\nb,1,0.894\nb,2,0.301\n"
    with pytest.raises(
        Refused, match=r"'a' \(such as 90.1 in seed 1\) look like percent and those of 'b'.*in one unit"
    ):
        read([written(tmp_path, text)])
    warned = read([written(tmp_path, text)], direction="minimize").warnings
    assert any("look like percent" in text for text in warned)
    fine = f"{HEADER}a,1,2.5\na,2,0.7\nb,1,0.894\nb,2,1.301\n"  # a loss, say
    assert read([written(tmp_path, fine)]).warnings == ()


def test_percent_in_one_file_and_shares_in_another_are_refused_too(tmp_path: Path) -> None:
    first = written(tmp_path, "seed,f1\n1,90.1\n2,89.5\n", "bert.csv")
    second = written(tmp_path, "seed,f1\n1,0.91\n2,0.88\n", "roberta.csv")
    with pytest.raises(Refused, match="write all scores in one unit"):
        read([first, second])
