"""The report in a real browser: silent, self-contained, sortable by keyboard, readable on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.report.page import render
from tests.analysis import study
from tests.analysis.report import browser

pytestmark = pytest.mark.browser
CONTRAST = """(() => {
  const light = (c) => { const v = c.map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const seen = [...document.querySelectorAll("main *, header *")].filter(e => !e.closest("svg") &&
    e.checkVisibility() && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return Math.min(...seen.map(e => { const a = light(parse(getComputedStyle(e).color)), b = light(back(e));
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); }));
})()"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    files = {"plain": folder / "report.html", "hostile": folder / "hostile #1.html"}
    for file, systems in zip(files.values(), (study.THREE, study.HOSTILE), strict=True):
        file.write_text(render(study.analysis(systems, seeds=3), study.drawn(systems).svgs), encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Tab]:
    program = browser.find()
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(browser.NAMES)} is on the path, nor is ORCHESTRATE_CHROMIUM set")
    with browser.running(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.parametrize("page", ["plain", "hostile"])
def test_the_console_stays_silent_and_no_request_leaves_the_file(
    tab: browser.Tab, pages: dict[str, Path], page: str
) -> None:
    tab.open(pages[page])
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert tab.named("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded") == []
    assert [sent["request"]["url"] for sent in tab.named("Network.requestWillBeSent")] == [pages[page].as_uri()]


def test_the_policy_blocks_what_a_hostile_page_would_load_or_run(tab: browser.Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["plain"])
    blocked = """new Promise(resolve => {
      const found = [];
      document.addEventListener("securitypolicyviolation", event => {
        found.push(event.effectiveDirective);
        if (found.length === 2) resolve(found.sort());
      });
      const image = document.createElement("img");
      image.src = "http://127.0.0.1:9/leak.png";
      const script = document.createElement("script");
      script.textContent = "window.acted = true";
      document.body.append(image, script);
    })"""
    assert tab.evaluate(blocked) == ["img-src", "script-src-elem"]
    assert tab.evaluate("window.acted") is None


def test_a_table_sorts_with_the_keyboard_and_says_so(tab: browser.Tab, pages: dict[str, Path]) -> None:
    tab.open(pages["plain"])
    column = "[...document.querySelectorAll('#summary table')[0].tBodies[0].rows].map(row => row.cells[2].innerText)"
    assert tab.evaluate(column) == sorted(tab.evaluate(column), reverse=True)
    tab.evaluate("document.querySelectorAll('#summary thead button')[2].focus()")
    tab.press("Enter")
    assert tab.evaluate(column) == sorted(tab.evaluate(column))
    assert tab.evaluate("document.querySelector('[aria-sort]').ariaSort") == "ascending"
    assert tab.evaluate("document.getElementById('sorted').textContent") == "Sorted by Mean, ascending"
    tab.press("Enter")
    assert tab.evaluate(column) == sorted(tab.evaluate(column), reverse=True)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", ["plain", "hostile"])
def test_nothing_is_wider_than_a_phone_or_a_desktop(
    tab: browser.Tab, pages: dict[str, Path], page: str, width: int
) -> None:
    tab.open(pages[page], width)
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate("Math.min(...[...document.querySelectorAll('.card svg')].map(one => one.clientWidth))") > 300
    assert tab.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 16


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(tab: browser.Tab, pages: dict[str, Path], scheme: str) -> None:
    """WCAG 2.2 asks for a contrast of 4.5 for text of this size."""
    tab.open(pages["plain"], scheme=scheme)
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 23, 29)"
    assert dark == (scheme == "dark")
    assert tab.evaluate(CONTRAST) >= 4.5


def test_a_screen_reader_finds_a_name_for_every_table_picture_and_button(
    tab: browser.Tab, pages: dict[str, Path]
) -> None:
    tab.open(pages["plain"])
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    roles: dict[str, list[str]] = {"table": [], "image": [], "button": [], "region": []}
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in roles:
            roles[role].append(node.get("name", {}).get("value", ""))
    assert all(roles.values())
    assert [role for role, names in roles.items() if "" in names] == []
