"""A report as a reader's program sees it."""

from __future__ import annotations

from html.parser import HTMLParser

from analysis.analyze import Analysis
from analysis.report import page
from tests.analysis import study

VOID = {"meta", "link", "br", "hr", "img", "input", "base"}


class Page(HTMLParser):
    """A page as a reader's program sees it: every start tag, the text of each kind of element, unbalanced tags."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts.setdefault(tag, []).append(data)

    def text(self, tag: str = "body") -> str:
        """The text inside all elements of one kind, white space squeezed."""
        return " ".join("".join(self.texts.get(tag, [])).split())


def page_of(analysis: Analysis, systems: tuple[str, ...] | None = None) -> Page:
    """The report as a page; with the pictures of a study of these systems, or without any."""
    return Page(page.render(analysis, study.drawn(systems).svgs if systems else {}))
