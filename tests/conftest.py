"""How tests are spread over workers: those that start Ray one after another and from the beginning, others by file."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups for `--dist loadgroup`. Tests that start Ray mostly wait, so that the others run beside them."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("ray" if _starts_ray(item) else str(item.path)))
    items.sort(key=lambda item: not _starts_ray(item))


def _starts_ray(item: pytest.Item) -> bool:
    return item.get_closest_marker("ray") is not None
