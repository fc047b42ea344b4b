"""Every figure: its data are right, it is drawn whole or skipped with a reason, and no label covers another."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.transforms import Bbox

from analysis import gallery, picture, registry
from analysis.analyze import analyze_results
from analysis.figure import Figure
from analysis.typography import visible
from tests.analysis import study

NAMES = registry.names("figure")
MANY = tuple(f"model-{number} / recipe-with-a-name-{number % 4}" for number in range(20))


def figure(name: str) -> Figure:
    found = registry.load("figure", name)
    assert isinstance(found, Figure)
    return found


class Recorder(RendererAgg):
    """Draws as usual and keeps every text with the box that its ink may fill, in pixels."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        self.texts: list[tuple[str, Bbox]] = []

    def draw_text(self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, **options: Any) -> None:
        width, height, descent = self.get_text_width_height_descent(s, prop, False)
        turned = angle == 90
        left, bottom = (x - height + descent, self.height - y) if turned else (x, self.height - y - descent)
        box = Bbox.from_bounds(left, bottom, *((height, width) if turned else (width, height)))
        self.texts.append((s, box.padded(-1)))
        super().draw_text(gc, x, y, s, prop, angle, **options)


def test_the_figures_of_the_study_are_all_there() -> None:
    assert NAMES == [
        "loss_comparison",
        "loss_evolution",
        "paired_differences",
        "per_class_f1",
        "score_barplot",
        "score_boxplot",
        "score_violin",
        "training_time",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_named_after_its_file_and_explains_itself(name: str) -> None:
    found = figure(name)
    assert found.name == name
    assert found.title
    assert found.caption.endswith(".")
    assert found.needs


def test_ranks_put_the_figures_in_one_order_that_starts_with_the_answer() -> None:
    ranks = [found.rank for found in gallery.figures()]
    assert ranks == sorted(set(ranks))
    assert gallery.figures()[0].name == "paired_differences"


@pytest.mark.parametrize("name", NAMES)
def test_the_same_results_give_the_same_bytes_in_every_format(name: str) -> None:
    first = study.drawn().files[name]
    assert picture.render(figure(name), figure(name).frame(study.analysis(seeds=3))).items() <= first.items()
    assert first["pdf"].startswith(b"%PDF")
    assert first["png"].startswith(b"\x89PNG")
    assert b"Date" not in first["svg"]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_can_be_drawn_again_from_its_saved_data(name: str) -> None:
    """`draw` needs nothing that the CSV does not hold."""
    files = study.drawn().files[name]
    again = pd.read_csv(io.BytesIO(files["csv"]))
    assert picture.render(figure(name), again)["png"] == files["png"]


@pytest.mark.parametrize(
    "systems", [study.THREE[:2], study.THREE, MANY, study.HOSTILE], ids=["2", "3", "20", "hostile"]
)
@pytest.mark.parametrize("name", NAMES)
def test_no_label_overlaps_another_or_leaves_the_picture(name: str, systems: tuple[str, ...]) -> None:
    data = figure(name).frame(study.analysis(systems, seeds=3))
    with picture.style(name):
        canvas = picture.draw(figure(name), data)
        recorder = Recorder(*canvas.bbox.size, canvas.dpi)
        canvas.draw(recorder)
    texts = recorder.texts
    assert len(texts) > len(systems) * (name != "paired_differences")
    page = canvas.bbox.padded(1)
    outside = [text for text, box in texts if not (page.contains(*box.min) and page.contains(*box.max))]
    assert outside == []
    pairs = itertools.combinations(texts, 2)
    assert [(first[0], second[0]) for first, second in pairs if first[1].overlaps(second[1])] == []


def test_hostile_names_are_shown_and_never_act() -> None:
    drawn = study.drawn(study.HOSTILE)
    assert set(drawn.svgs) == set(NAMES)
    for svg in drawn.svgs.values():
        root = ElementTree.fromstring(svg)
        assert not [element for element in root.iter() if element.tag.endswith("script")]
        assert not set(svg) & {"\x1b", "\u202e"}
    texts = "".join(ElementTree.fromstring(drawn.svgs["score_boxplot"]).itertext())
    assert "$x^2$ _a_" in texts
    assert "line\\nbreak \\x1b[31mred" in texts
    assert "\N{GRINNING FACE}" in texts
    assert "n" * 20 in texts


def test_identifiers_of_all_figures_together_are_unique_and_every_reference_is_met() -> None:
    roots = [ElementTree.fromstring(svg) for svg in study.drawn().svgs.values()]
    elements = [element for root in roots for element in root.iter()]
    identifiers = Counter(element.attrib["id"] for element in elements if "id" in element.attrib)
    assert max(identifiers.values()) == 1
    values = [value for element in elements for key, value in element.items() if key.endswith(("href", "clip-path"))]
    references = {value.removeprefix("url(").removeprefix("#").rstrip(")") for value in values}
    assert references
    assert references <= set(identifiers)


def test_an_svg_has_a_name_and_a_description_and_no_metadata() -> None:
    svg = study.drawn().svgs["score_boxplot"]
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "score_boxplot-title"
    assert [child.text for child in root][:1] == ["Scores over seeds"]
    assert "metadata" not in svg
    assert "<style" not in svg


def test_a_figure_without_its_columns_is_skipped_with_a_reason() -> None:
    answer = study.without(study.results(), "runs", "seconds_train")
    drawn = gallery.draw(answer)
    assert drawn.skipped == {"training_time": "it needs runs.seconds_train, which these results do not have"}
    assert set(drawn.files) == set(NAMES) - {"training_time"}


def test_results_without_epochs_and_predictions_skip_what_needs_them() -> None:
    found = study.results()
    bare = replace(found, epochs=found.epochs.iloc[:0], predictions=found.predictions.iloc[:0])
    drawn = gallery.draw(analyze_results(bare))
    assert set(drawn.skipped) == {"loss_comparison", "loss_evolution", "per_class_f1"}
    assert "predictions.gold, predictions.predicted" in drawn.skipped["per_class_f1"]


def test_one_run_a_system_and_equal_scores_can_be_drawn() -> None:
    found = study.results(seeds=1)
    equal = replace(found, runs=found.runs.assign(score=0.5))
    drawn = gallery.draw(analyze_results(equal))
    assert set(drawn.files) | set(drawn.skipped) == set(NAMES)
    assert {"score_boxplot", "score_barplot", "score_violin"} <= set(drawn.files)


def test_data_files_neutralise_formulas_in_names() -> None:
    text = study.drawn(study.HOSTILE).files["score_boxplot"]["csv"].decode()
    assert ",'=1+1," in text
    assert ",=1+1," not in text


def test_names_lose_their_middle_never_their_ends() -> None:
    from analysis import ink

    lines = ink.label_lines("start-" + "x" * 200 + "-end")
    assert len(lines) == 3
    assert lines[0].startswith("start-")
    assert lines[-1].endswith("-end")
    assert max(map(len, lines)) <= ink.LABEL_COLUMNS
    assert visible("a\x00b") == "a\\x00b"


def test_listing_figures_does_not_import_matplotlib_and_drawing_leaves_pyplot_alone() -> None:
    program = (
        "import sys; from analysis import gallery; gallery.figures(); assert 'matplotlib' not in sys.modules; "
        "from tests.analysis import study; gallery.draw(study.analysis(seeds=3)); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
