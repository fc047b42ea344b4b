"""Runs are brought into one form, also those of older results."""

from __future__ import annotations

import pandas as pd

from analysis.tables.normalize import normalize


def test_a_data_set_that_a_python_file_defines_is_named_without_its_folders() -> None:
    names = ["/home/me/mine.py", "mine.py", "owner/name", None]
    frame = pd.DataFrame({"system": "a", "seed": [1, 2, 3, 4], "score": 0.5, "dataset": names})
    read = normalize(frame, "runs.csv")[0]["dataset"]
    assert read.tolist()[:3] == ["mine.py", "mine.py", "owner/name"]
    assert read.isna().tolist() == [False, False, False, True]
