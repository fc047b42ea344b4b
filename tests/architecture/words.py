"""Counts the words that the house no longer says, in names and in prose, and checks that names are free of them.

Usage: python -m tests.architecture.words [CHECKOUT ...], a column a checkout.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path

from tests.architecture.imports import PACKAGES
from tests.architecture.layers import ROOT

SAY = {
    "piece": "token",
    "feed": "batch loader",
    "material": "trimmed model",
    "pristine": "pretrained model",
    "keepsake": "model bundle",
    "warm": "run cache",
    "stepper": "optimizer step",
    "laps": "phase timer",
    "unsuited": "incompatible",
    "vary": "augment",
    "decisions": "thresholds",
    "board": "scheduler",
    "book": "run queue",
    "roster": "lane state",
    "ticket": "scheduled run",
    "gang": "worker group",
    "lease": "assignment",
    "stint": "resume count",
    "crew": "session actors",
    "seat": "worker context",
    "steering": "run source",
    "orders": "decision",
    "hygiene": "memory leak",
    "preflight": "shared storage check",
    "tell": "log, on_event",
    "told": "messages",
    "hear": "on_event",
    "heard": "messages",
    "conclude": "analyze",
    "interruption": "signals",
    "breach": "violation",
    "problems": "errors",
    "ink": "style",
    "picture": "render",
    "gallery": "figures",
    "place": "folder, rank",
    "answer": "result",
    "outlook": "design power",
    "cautions": "warnings",
    "standing": "ranking",
    "typography": "formatting",
    "found": "what it holds",
}
_PLURALS = {f"{word}s": word for word in SAY if not word.endswith("s")}
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
Counts = dict[str, Counter[str]]


def count(checkout: Path) -> Counts:
    """Word -> how often it is part of a name (`names`) and a word of a comment or string (`prose`)."""
    counts: Counts = {"names": Counter(), "prose": Counter()}
    for package in PACKAGES:
        for path in sorted((checkout / package).rglob("*.py")):
            for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
                where = {tokenize.NAME: "names", tokenize.STRING: "prose", tokenize.COMMENT: "prose"}.get(token.type)
                if where is not None:
                    counts[where].update(words_of(token.string))
    return counts


def words_of(text: str) -> list[str]:
    """The old words in a name or a sentence; a plural counts as its word."""
    parts = (part.lower() for part in _PARTS.findall(text))
    return [_PLURALS.get(part, part) for part in parts if _PLURALS.get(part, part) in SAY]


def table(checkouts: list[Path]) -> str:
    """A row a word in Markdown: in names / in prose, for each checkout."""
    counted = [count(checkout) for checkout in checkouts]
    lines = [f"| instead of | say | {' | '.join('in names / in prose' for _ in checkouts)} |"]
    lines.append(f"| --- | --- |{' --- |' * len(checkouts)}")
    for word, better in SAY.items():
        cells = (f"{one['names'][word]} / {one['prose'][word]}" for one in counted)
        lines.append(f"| {word} | {better} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table([Path(name) for name in sys.argv[1:]] or [ROOT]) + "\n")
