"""Says how to install optional parts of this product: from its checkout, because it is on no package index."""

from __future__ import annotations


def install(extra: str | None = None) -> str:
    """Return how to install an extra of pyproject.toml (None: the product itself), to put after the word `run`."""
    target = "." if extra is None else f"'.[{extra}]'"
    return f"from the checkout: pip install -e {target}"
