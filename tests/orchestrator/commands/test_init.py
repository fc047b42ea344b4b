"""`init` writes an experiment file that `validate` accepts, says what it took the data for, and overwrites nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from orchestrator.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def table(name: str, header: str, *rows: str, times: int = 6) -> None:
    """Write a table whose rows are all there several times, each with a number of its own in place of `#`."""
    body = (row.replace("#", str(number)) for number in range(times) for row in rows)
    Path(name).write_text("\n".join([header, *body]) + "\n", encoding="utf-8")


def written(name: str) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    return content


REVIEWS = ("review,sentiment,user", "a good film #,pos,u#", "a bad film #,neg,u#")


def test_the_file_is_accepted_and_says_what_to_decide() -> None:
    table("my reviews.csv", *REVIEWS)
    result = invoke("init", "my reviews.csv")
    assert result.exit_code == 0, result.stderr
    assert "wrote       my-reviews.yaml\n" in result.stdout
    assert "columns     text <- review, label <- sentiment\n" in result.stdout
    assert "labels      pos 6, neg 6\n" in result.stdout
    content = written("my-reviews.yaml")
    assert list(content) == [
        *("experiment", "question", "task", "data", "split", "models", "recipes", "seeds", "train", "compare"),
    ]
    assert content["task"] == "sequence_classification"
    assert content["data"] == {"path": "my reviews.csv", "columns": {"text": "review", "label": "sentiment"}}
    assert "    # cluster: user " in Path("my-reviews.yaml").read_text(encoding="utf-8")
    checked = invoke("validate", "my-reviews.yaml")
    assert checked.exit_code == 0, checked.stderr
    assert "text: a good film 0" in checked.stderr


def test_the_commented_line_for_clusters_can_be_taken() -> None:
    table("reviews.csv", *REVIEWS)
    assert invoke("init", "reviews.csv").exit_code == 0
    file = Path("reviews.yaml")
    file.write_text(file.read_text().replace("# cluster: user", "cluster: user"))
    result = invoke("validate", "reviews.yaml", "--json")
    assert json.loads(result.stdout)["data"]["columns"]["cluster"] == "user"


def test_several_labels_come_with_one_label_as_the_alternative() -> None:
    table("d.csv", "text,topics", "one text #,a|b", "other text #,a", "more text #,b")
    result = invoke("init", "d.csv", "--json")
    document = json.loads(result.stdout)
    assert (document["file"], document["task"]) == ("d.yaml", "multi_label_classification")
    assert document["alternative"]["task"] == "sequence_classification"
    assert document["data"]["label_counts"] == {"a": 12, "b": 12}
    assert "# task: sequence_classification" in Path("d.yaml").read_text()
    assert invoke("init", "d.csv", "--task", "sequence_classification", "--to", "e.yaml").exit_code == 0
    assert written("e.yaml")["data"] == {"path": "d.csv", "columns": {"label": "topics"}}
    assert invoke("validate", "e.yaml").exit_code == 0


def test_words_questions_pairs_and_columns_of_zeros_and_ones(here: Path) -> None:
    (here / "w.conll").write_text("the O\nbus B-P\n\na O\ntank B-P\n\n" * 5)
    question = {
        "question": "What ?",
        "answers": {"text": ["tank"], "answer_start": [4]},
    }
    questions = [{**question, "context": f"The tank holds {number} ."} for number in range(10)]
    (here / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))
    table("p.tsv", "premise\thypothesis\tlabel", "one text #\tother text #\tyes", "one #\tmore text #\tno")
    table("h.csv", "text,toxic,rude", "one text #,0,1", "more text #,1,0", "other text #,0,0")
    for name, task in {
        "w.conll": "token_classification",
        "q.jsonl": "question_answering",
        "p.tsv": "sequence_classification",
        "h.csv": "multi_label_classification",
    }.items():
        result = invoke("init", name)
        assert result.exit_code == 0, result.stderr
        file = f"{name[0]}.yaml"
        assert written(file)["task"] == task
        assert invoke("validate", file).exit_code == 0


def test_items_whose_label_is_hidden_are_left_out() -> None:
    table("snli.csv", "sentence1,sentence2,gold_label", "one #,two #,yes", "one x#,two y#,no", "one z#,two z#,-")
    result = invoke("init", "snli.csv", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["data"]["label_counts"] == {"yes": 6, "no": 6}
    assert written("snli.yaml")["data"]["drop_labels"] == ["-"]  # type: ignore[index]
    assert invoke("validate", "snli.yaml").exit_code == 0


def test_the_path_starts_at_the_folder_of_the_file(here: Path) -> None:
    (here / "data").mkdir()
    (here / "studies").mkdir()
    table("data/d.csv", "text,label", "one text #,a", "other text #,b")
    assert invoke("init", "data/d.csv", "--to", "studies/mine.yml").exit_code == 0
    assert written("studies/mine.yml")["data"] == {"path": "../data/d.csv"}
    assert invoke("validate", "studies/mine.yml").exit_code == 0


def parts_in(folder: Path) -> None:
    folder.mkdir()
    for name in ("train", "dev", "test"):
        table(str(folder / f"{name}.csv"), "text,label", f"one {name} #,a", f"other {name} text #,b")


def test_a_folder_of_parts_keeps_them(here: Path) -> None:
    parts_in(here / "corpus")
    result = invoke("init", "corpus", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["data"]["parts"] == {"train": 12, "validation": 12, "test": 12}
    content = written("corpus.yaml")
    assert content["data"] == {"path": "corpus"}
    assert content["split"] == {"seed": 42}  # a share for validation would draw new parts
    checked = json.loads(invoke("validate", "corpus.yaml", "--json").stdout)["data"]
    assert (checked["train_items"], checked["evaluation_items"]) == (12, 24)


def test_files_of_several_parts_are_named_as_their_parts(here: Path) -> None:
    parts_in(here / "corpus")
    files = [f"corpus/{name}.csv" for name in ("test", "dev", "train")]
    assert invoke("init", *files).exit_code == 0
    parts = {"train": "corpus/train.csv", "validation": "corpus/dev.csv", "test": "corpus/test.csv"}
    assert written("corpus.yaml")["data"] == parts
    assert invoke("validate", "corpus.yaml").exit_code == 0


def test_files_whose_names_say_no_part_are_one_pool(here: Path) -> None:
    table("one.csv", "text,label", "one text #,a", "other text #,b")
    table("two.csv", "text,label", "more text #,a", "last text #,b")
    assert invoke("init", "one.csv", "two.csv", "--to", "both.yaml").exit_code == 0
    assert written("both.yaml")["data"] == {"path": ["one.csv", "two.csv"]}
    assert written("both.yaml")["split"] == {"validation": 0.2, "seed": 42}


def test_a_column_that_names_parts_is_taken(here: Path) -> None:
    table("d.csv", "text,label,split", "one text #,a,train", "other text #,b,train", "x y #,a,dev", "z y #,b,dev")
    assert invoke("init", "d.csv").exit_code == 0
    assert written("d.yaml")["data"] == {"path": "d.csv", "split_column": "split"}
    table("e.csv", "text,label,split", "one text #,a,train", "other text #,b,left", "x y #,a,dev", "z y #,b,dev")
    assert invoke("init", "e.csv").exit_code == 0
    assert written("e.yaml")["data"] == {"path": "e.csv"}


def test_nothing_is_overwritten(here: Path) -> None:
    table("d.csv", "text,label", "one text #,a", "other text #,b")
    (here / "d.yaml").write_text("mine\n")
    result = invoke("init", "d.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "d.yaml is there already and is not overwritten; choose another name with --to" in result.stderr
    assert (here / "d.yaml").read_text() == "mine\n"


def test_without_a_task_that_fits_it_says_what_is_there_and_what_is_needed(here: Path) -> None:
    table("d.csv", "text,day", "one text #,1#", "other text #,2#")
    result = invoke("init", "d.csv")
    assert result.exit_code == 2
    assert "no task fits it; read as csv, it has the columns 'text', 'day'" in result.stderr
    assert "sequence_classification needs a text" in result.stderr
    table("e.csv", "text,label", "one text #,a", "other text #,b")
    result = invoke("init", "e.csv", "--task", "question_answering")
    assert "it does not fit question_answering" in result.stderr
    assert "question_answering needs question, context and answers" in result.stderr
    assert list(here.glob("*.yaml")) == []


def test_a_task_that_fits_by_its_columns_says_why_its_data_does_not(here: Path) -> None:
    table("d.csv", "text,label", "one text #,a", "other text #,b", " ,b")
    result = invoke("init", "d.csv")
    assert result.exit_code == 2
    assert "sequence_classification would fit by its columns, but: item 3" in result.stderr
    assert not (here / "d.yaml").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", b"", "holds no rows"),
        ("binary.csv", b"\x80\x81\xfe\xff" * 50, "not UTF-8"),
        ("binary.dat", b"\x80\x81\x00\xff" * 50, "unknown format '.dat'"),
        ("long.jsonl", b"a" * 17 * 2**20, "longer than 16,777,216 bytes"),
        ("model.pkl", b"\x80", "can run code"),
    ],
)
def test_what_cannot_be_read_ends_with_2(here: Path, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (here / name).write_bytes(content)
    result = invoke("init", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert list(here.glob("*.yaml")) == []


def test_a_folder_of_unrelated_files_is_refused(here: Path) -> None:
    (here / "folder").mkdir()
    (here / "folder" / "letter.doc").write_text("hello")
    result = invoke("init", "folder")
    assert result.exit_code == 2
    assert "holds no data file" in result.stderr


@pytest.mark.parametrize("to", ["d.csv", "absent/d.yaml"])
def test_a_target_that_is_no_experiment_file_is_refused(to: str) -> None:
    table("d.csv", "text,label", "one text #,a", "other text #,b")
    assert invoke("init", "d.csv", "--to", to).exit_code == 2


def test_hostile_names_stay_in_comments_and_values(here: Path) -> None:
    name = "a: b #\n- x\u2028.csv"
    table(name, "my: text\u0007,{label}", "one text #,a", "other text #,b", times=20)
    result = invoke("init", name, "--to", "d.yaml")
    assert result.exit_code in (0, 2)
    table(name, "text,label", "one text #,a", "other text #,b")
    result = invoke("init", name, "--to", "e.yaml")
    assert result.exit_code == 0, result.stderr
    assert written("e.yaml")["data"] == {"path": name}
    assert invoke("validate", "e.yaml").exit_code == 0


def test_a_table_without_header_keeps_its_first_row(here: Path) -> None:
    rows = [f"{label}\tnumber {number} {text}" for number in range(6) for label, text in (("ham", "a"), ("spam", "b"))]
    (here / "sms.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    result = invoke("init", "sms.tsv")
    assert result.exit_code == 0, result.stderr
    assert "labels      ham 6, spam 6\n" in result.stdout
    assert written("sms.yaml")["data"] == {"path": "sms.tsv", "header": False, "columns": {"text": "2", "label": "1"}}
