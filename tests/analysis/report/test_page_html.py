"""The report as a page: self-contained, safe whatever the names are, the same bytes for the same input."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace

import pytest

from analysis.analyze import analyze_results
from analysis.report import page
from tests.analysis import study
from tests.analysis.report.page import Page, page_of


def test_the_same_analysis_gives_the_same_bytes() -> None:
    drawn = study.drawn()
    first = page.render(analyze_results(study.results()), drawn.svgs)
    assert first == page.render(analyze_results(study.results()), drawn.svgs)


def test_the_page_is_well_formed_and_its_identifiers_are_unique() -> None:
    found = page_of(study.analysis(), study.THREE)
    assert found.open == []
    assert found.unbalanced == []
    identifiers = Counter(attributes["id"] for _, attributes in found.tags if "id" in attributes)
    assert identifiers
    assert max(identifiers.values()) == 1
    targets = [str(attributes["href"]) for tag, attributes in found.tags if tag == "a"]
    assert {target.removeprefix("#") for target in targets} <= set(identifiers)


def test_the_page_asks_for_nothing_from_outside() -> None:
    text = page.render(study.analysis(), study.drawn().svgs)
    assert set(re.findall(r"https?://[^\s\"'<>]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    found = Page(text)
    assert not [tag for tag, _ in found.tags if tag in {"link", "img", "iframe", "object", "embed", "form", "base"}]
    assert not [attributes for _, attributes in found.tags if "src" in attributes]
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_the_content_security_policy_allows_the_one_script_by_its_hash_and_no_other() -> None:
    found = page_of(study.analysis())
    policy = next(a["content"] for t, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    scripts = [tag for tag, _ in found.tags if tag == "script"]
    digest = base64.b64encode(hashlib.sha256("".join(found.texts["script"]).encode()).digest()).decode()
    assert len(scripts) == 1
    assert policy is not None
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe-eval" not in policy
    assert not [attributes for _, attributes in found.tags if any(name.startswith("on") for name in attributes)]


def test_hostile_names_questions_errors_and_warnings_are_text() -> None:
    found = study.results(study.HOSTILE)
    runs = found.runs.copy()
    runs.loc[0, ["status", "score", "error"]] = ["failed", None, "<img src=x onerror=alert(1)>\nsecond line"]
    hostile = replace(
        found,
        runs=runs,
        experiment={**(found.experiment or {}), "question": "</title><script>alert(2)</script>?"},
        warnings=("<b>bold</b> \x1b[31m",),
        sources=("results/a b';<i>",),
    )
    shown = page_of(analyze_results(hostile), study.HOSTILE)
    assert [tag for tag, _ in shown.tags if tag in {"script", "img", "b", "i"}] == ["script"]
    assert shown.unbalanced == []
    text = shown.text()
    assert "$x^2$ _a_ <script>alert(1)</script>" in text
    assert "line\\nbreak \\x1b[31mred\\x1b[0m \\u202eevil" in text
    assert "</title><script>alert(2)</script>?" in shown.text("h1")
    assert "<b>bold</b> \\x1b[31m" in text
    assert "<img src=x onerror=alert(1)>" in text
    assert "second line" not in text
    assert not {"\x1b", "\u202e"} & set("".join(shown.texts["html"]))


def test_headings_captions_scopes_and_names_serve_a_screen_reader() -> None:
    found = page_of(study.analysis(), study.THREE)
    tables = [tag for tag, _ in found.tags if tag == "table"]
    assert len(tables) == len(found.texts["caption"]) == len([tag for tag, _ in found.tags if tag == "caption"])
    assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in found.tags if tag == "th")
    pictures = [attributes for tag, attributes in found.tags if tag == "svg"]
    assert len(pictures) == len(study.drawn().svgs)
    assert all(attributes["role"] == "img" and attributes["aria-labelledby"] for attributes in pictures)
    assert len([tag for tag, _ in found.tags if tag == "figcaption"]) == len(pictures)
    assert next(attributes for tag, attributes in found.tags if tag == "html")["lang"] == "en"
    assert [tag for tag, _ in found.tags].count("h1") == 1


@pytest.mark.parametrize("scheme", ["dark", "print"])
def test_the_style_serves_dark_screens_and_paper(scheme: str) -> None:
    style = page_of(study.analysis()).text("style")
    assert {"dark": "prefers-color-scheme: dark", "print": "@media print"}[scheme] in style
    assert ".card { background: #ffffff" in style
