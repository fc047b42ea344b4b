"""The tables for papers and the references: the report's own numbers, escaped for Markdown and LaTeX."""

from __future__ import annotations

from analysis.formatting import number
from analysis.report import pair_tables, paper_tables, write
from analysis.report.table import Table, field, system
from analysis.text import methods
from tests.analysis import study


def test_a_markdown_table_holds_the_rows_as_the_report_prints_them() -> None:
    lines = paper_tables.files(study.analysis())["summary_statistics.md"].decode().splitlines()
    assert lines[0] == "**weighted\\_f1 per system (higher is better)**"
    assert lines[2] == "| System | n | Mean | Std | 95% interval | May be best | Ranks | P(best) |"
    assert lines[3] == "| :--- | ---: | ---: | ---: | ---: | :--- | ---: | ---: |"
    mean = study.analysis().systems["mean"].iloc[0]
    assert lines[4].startswith(f"| roberta-base | 7 | {mean:.4f} |")


def test_a_latex_table_has_a_caption_a_label_and_a_row_a_pair() -> None:
    text = paper_tables.files(study.analysis())["statistical_tests.tex"].decode()
    assert "\\label{tab:statistical-tests}" in text
    assert text.count("\\\\\n") == 1 + 3
    assert "roberta-base $-$ deberta-v3-large & better &" in text
    assert "\N{MINUS SIGN}" not in text


def test_what_latex_and_markdown_would_act_on_is_escaped() -> None:
    grid = Table(
        "100% & more",
        [system(), field("A_b", "value", "", number, 1)],
        [{"system": "a|b_$x^2$\\<i>{}#", "value": -1.0}],
    )
    latex = paper_tables.latex(grid, "t")
    assert (
        "a\\textbar{}b\\_\\$x\\textasciicircum{}2\\$\\textbackslash{}\\textless{}i\\textgreater{}\\{\\}\\# & $-$1.0"
        in latex
    )
    assert "\\caption{100\\% \\& more." in latex
    assert "a\\|b\\_\\$x^2\\$\\\\&lt;i&gt;{}#" in paper_tables.markdown(grid)


def test_one_system_has_a_summary_and_no_table_of_comparisons() -> None:
    assert set(paper_tables.files(study.analysis(study.THREE[:1]))) == {
        "summary_statistics.md",
        "summary_statistics.tex",
    }


def test_the_references_are_those_of_the_methods_that_were_used() -> None:
    text = " ".join(methods.cited(study.analysis()))
    assert "Holm, S. (1979)" in text
    assert "Demsar" not in text
    assert "Demsar" in " ".join(methods.cited(study.of_figure("critical_difference")))
    assert "Nadeau" not in text
    of_the_search = methods.cited(study.analysis(study.THREE[:1]))
    assert [reference.split(",")[0] for reference in of_the_search] == ["Conover", "Dodge", "Li", "Tang"]
    known = {*methods.BY_METHOD, "paired_t"}
    assert set(study.analysis().comparisons["primary_method"]) <= known


def test_with_very_many_pairs_the_page_shows_those_of_the_best_and_says_where_the_others_are() -> None:
    answer = study.analysis(tuple(f"model-{number}" for number in range(21)), seeds=3)
    grid = pair_tables.verdicts(answer)
    assert len(grid.rows) == 20
    assert "statistical_tests.csv has all 210" in grid.caption


def test_answers_that_differ_are_written_beside_the_tables() -> None:
    files = write.tables(study.analysis())
    assert set(files) == {
        f"{name}.{kind}"
        for name in ("summary_statistics", "statistical_tests", "item_disagreements", "search")
        for kind in ("csv", "parquet")
    }
    assert b"said_a" in files["item_disagreements.csv"]
