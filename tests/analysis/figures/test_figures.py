"""Every figure: it is drawn whole or left out with a reason, the same each time, and no label covers another."""

from __future__ import annotations

import io
import itertools
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.transforms import Bbox

from analysis import registry
from analysis.analyze import analyze_results
from analysis.formatting import visible
from analysis.plotting import draw_all, render, style
from analysis.plotting.figure import SECTIONS, Figure, NotApplicable
from tests.analysis import study

NAMES = registry.names("figure")
MANY = tuple(f"model-{number} / recipe-with-a-name-{number % 4}" for number in range(20))


def figure(name: str) -> Figure:
    found = registry.load("figure", name)
    assert isinstance(found, Figure)
    return found


class Recorder(RendererAgg):
    """Draws nothing and keeps every text with the box that its ink may fill, in pixels."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        super().__init__(width, height, dpi)
        self.texts: list[tuple[str, Bbox]] = []
        for mark in ("path", "markers", "path_collection", "quad_mesh", "image"):
            setattr(self, f"draw_{mark}", lambda *_, **__: None)

    def draw_text(self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, **options: Any) -> None:
        width, height, descent = self.get_text_width_height_descent(s, prop, False)
        turned = angle == 90
        left, bottom = (x - height + descent, self.height - y) if turned else (x, self.height - y - descent)
        box = Bbox.from_bounds(left, bottom, *((height, width) if turned else (width, height)))
        self.texts.append((s, box.padded(-2)))


def shows_all_its_marks(ax: Any) -> bool:
    """Whether no point, line or bar lies beyond the left or right end of the axes."""
    (low, high), (first, last) = sorted(ax.viewLim.intervalx), sorted(ax.dataLim.intervalx)
    slack = 1e-6 * (high - low)
    return bool(low - slack <= first and last <= high + slack)


def test_every_figure_that_is_asked_for_is_there() -> None:
    assert set(NAMES) == {
        *("loss_comparison", "loss_evolution", "paired_differences", "per_class_f1", "training_time"),
        *("score_barplot", "score_boxplot", "score_violin", "raincloud", "seed_slopes", "performance_profile"),
        *("critical_difference", "class_balance", "confusion", "item_disagreement", "trade_off", "score_over_time"),
        *("search_history", "search_importance", "search_learning_curves", "search_parallel_coordinates"),
        "search_expected_best",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_named_after_its_file_and_explains_itself(name: str) -> None:
    found = figure(name)
    assert found.name == name
    assert found.title
    assert found.caption.endswith(".")
    assert found.needs


def test_ranks_give_every_section_one_order_and_something_that_is_not_folded_away() -> None:
    found = draw_all.figures()
    keys = [(SECTIONS.index(one.section), one.rank) for one in found]
    assert keys == sorted(set(keys))
    assert {one.section for one in found if not one.aside} == set(SECTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_can_be_drawn_again_from_its_saved_data_to_the_same_bytes(name: str) -> None:
    """`draw` needs nothing that the CSV does not hold, and nothing but the data decides the picture."""
    files = study.drawn().files[name]
    again = pd.read_csv(io.BytesIO(files["csv"]))
    assert render.render(figure(name), again, ("svg",))["svg"] == files["svg"]
    assert b"Date" not in files["svg"]


def test_every_format_of_a_picture_has_the_same_bytes_twice() -> None:
    data = figure("paired_differences").frame(study.analysis(seeds=3))
    first, second = (render.render(figure("paired_differences"), data) for _ in range(2))
    assert first == second
    assert [first[kind][:4] for kind in render.KINDS] == [b"<svg", b"%PDF", b"\x89PNG"]
    width = int.from_bytes(first["png"][16:20], "big")
    assert width == style.WIDTH_INCHES * render.DOTS_PER_INCH, "the vector formats before it do not make it small"


def test_neighbouring_colours_differ_in_lightness_so_that_a_grey_print_keeps_them_apart() -> None:
    linear = [[(int(tone[k : k + 2], 16) / 255) ** 2.2 for k in (1, 3, 5)] for tone in style.PALETTE]
    lightness = [116 * (0.2126 * r + 0.7152 * g + 0.0722 * b) ** (1 / 3) - 16 for r, g, b in linear]
    assert min(abs(a - b) for a, b in itertools.pairwise([*lightness, lightness[0]])) > 10


def test_labels_are_set_apart_within_their_room() -> None:
    assert style.apart([1.0, 5.0], [2.0, 2.0], 10.0) == [1.0, 5.0]
    assert style.apart([0.0, 0.0, 0.0], [2.0, 2.0, 2.0], 6.0) == [1.0, 3.0, 5.0]
    assert style.apart([9.0, 9.5], [2.0, 2.0], 10.0) == [7.0, 9.0]


@pytest.mark.parametrize(
    "systems", [(study.HOSTILE[1], study.THREE[0]), (study.HOSTILE[0], *study.HOSTILE[2:]), MANY], ids=["2", "3", "20"]
)
@pytest.mark.parametrize("name", NAMES)
def test_no_label_overlaps_another_and_nothing_leaves_the_picture(name: str, systems: tuple[str, ...]) -> None:
    if name == "critical_difference" and len(systems) == 2:
        pytest.skip("mean ranks of two systems say no more than their difference")
    data = figure(name).frame(study.of_figure(name, systems, seeds=3))
    with render.drawing_style(name):
        canvas = render.draw(figure(name), data)
        recorder = Recorder(*canvas.bbox.size, canvas.dpi)
        canvas.draw(recorder)
    assert [ax for ax in canvas.axes if ax.get_visible() and not shows_all_its_marks(ax)] == []
    texts = recorder.texts
    assert len(texts) > 2
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
    values = [value for element in elements for key, value in element.items() if "#" in value and "=" not in key]
    references = {found for value in values for found in re.findall(r"url\(#([^)]+)\)|^#([^ ]+)$", value)}
    references = {
        target for pair in references for target in pair if target and not re.fullmatch("[0-9a-f]{6}", target)
    }
    assert any("item_disagreement" in target for target in references), "the hatched bars refer to their pattern"
    assert references
    assert references <= set(identifiers)


def test_an_svg_has_a_name_and_a_description_and_no_metadata() -> None:
    svg = study.drawn().svgs["score_boxplot"]
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "score_boxplot-title"
    assert [child.text for child in root][:1] == ["Quartiles of the scores"]
    assert "metadata" not in svg
    assert "<style" not in svg


def test_a_figure_without_its_columns_is_left_out_with_a_reason() -> None:
    answer = study.without(study.results(), "runs", "seconds_train")
    with pytest.raises(NotApplicable, match=r"it needs runs\.seconds_train, which these results do not have"):
        figure("training_time").frame(answer)


def test_results_without_epochs_and_predictions_leave_out_what_needs_them() -> None:
    found = study.results(study.THREE[:2], seeds=3)
    runs = found.runs.drop(columns=["samples_per_second", "peak_memory_gib"])
    bare = replace(found, runs=runs, epochs=found.epochs.iloc[:0], predictions=found.predictions.iloc[:0])
    drawn = draw_all.draw(analyze_results(bare), ())
    assert set(drawn.skipped) == {
        *("loss_comparison", "loss_evolution", "score_over_time", "trade_off", "critical_difference"),
        *("per_class_f1", "class_balance", "confusion", "item_disagreement"),
    }
    assert "predictions.gold, predictions.predicted" in drawn.skipped["per_class_f1"]


def test_one_run_a_system_and_equal_scores_can_be_drawn() -> None:
    found = study.results(study.THREE[:2], seeds=1)
    equal = replace(found, runs=found.runs.assign(score=0.5))
    drawn = draw_all.draw(analyze_results(equal), ())
    assert set(drawn.files) | set(drawn.skipped) == set(NAMES)
    assert {"raincloud", "score_boxplot", "score_barplot", "score_violin", "seed_slopes"} <= set(drawn.files)


def test_of_very_many_systems_the_first_are_drawn_and_the_caption_says_so() -> None:
    found = figure("raincloud")
    data = pd.DataFrame({"system": [f"model-{number}" for number in range(100)]})
    assert found.left_out(data) == "Only the first 20 of 100 rows are drawn; the data file has all."
    assert found.left_out(data.head(20)) == ""


def test_with_more_than_twenty_systems_only_the_first_pictures_of_each_section_are_drawn() -> None:
    found = study.results(tuple(f"model-{number}" for number in range(21)), seeds=2)
    bare = replace(
        found, epochs=found.epochs.iloc[:0], predictions=found.predictions.iloc[:0], trials=found.trials.iloc[:0]
    )
    drawn = draw_all.draw(analyze_results(bare), ())
    assert set(drawn.files) == {"raincloud", "paired_differences", "trade_off"}
    assert "the first 20 of 21 rows" in drawn.notes["raincloud"]


def test_data_files_neutralise_formulas_in_names() -> None:
    text = study.drawn(study.HOSTILE).files["score_boxplot"]["csv"].decode()
    assert ",'=1+1," in text
    assert ",=1+1," not in text


def test_names_lose_their_middle_never_their_ends() -> None:
    from analysis.plotting import style

    lines = style.label_lines("start-" + "x" * 200 + "-end")
    assert len(lines) == 3
    assert lines[0].startswith("start-")
    assert lines[-1].endswith("-end")
    assert max(map(len, lines)) <= style.LABEL_COLUMNS
    assert visible("a\x00b") == "a\\x00b"


def test_listing_figures_does_not_import_matplotlib_and_drawing_leaves_pyplot_alone() -> None:
    program = (
        "import sys; from analysis.plotting import draw_all; draw_all.figures(); "
        "assert 'matplotlib' not in sys.modules; "
        "from tests.analysis import study; from analysis import registry; from analysis.plotting import render; "
        "figure = registry.load('figure', 'raincloud'); "
        "render.render(figure, figure.frame(study.analysis(study.THREE[:2], seeds=2))); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    sources = Path(registry.__file__).parent.rglob("*.py")
    assert [file.name for file in sources if "pyplot" in file.read_text(encoding="utf-8")] == []
