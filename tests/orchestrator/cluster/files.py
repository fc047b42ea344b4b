"""Cluster files for tests: the two that come with the project, with single things changed."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
AWS = ROOT / "cluster.yaml"
ON_PREMISE = ROOT / "docs" / "cluster-on-premise.yaml"


def changed(folder: Path, source: Path, *changes: tuple[str, str]) -> Path:
    """A copy of the file in which each text, which must be there, is replaced by another everywhere."""
    text = source.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    path = folder / source.name
    path.write_text(text, encoding="utf-8")
    return path


def filled_in(folder: Path, *changes: tuple[str, str]) -> Path:
    """The on-premise file for one host on this machine's loopback, with nothing left to fill in."""
    return changed(
        folder,
        ON_PREMISE,
        ("/CHANGE-ME/results", "/shared/results"),
        ("/CHANGE-ME/data", "/shared/data"),
        ("192.0.2.10", "127.0.0.1"),
        ("[192.0.2.11]", "[]"),
        ("~/.ssh/CHANGE-ME", "~/.ssh/id"),
        ("CHANGE-ME", "someone"),
        *changes,
    )
