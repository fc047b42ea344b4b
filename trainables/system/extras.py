"""How optional parts of this product are installed: from its checkout, as no package index has it under its name."""

from __future__ import annotations


def install(extra: str | None = None) -> str:
    """What to do for an extra of pyproject.toml (None: for the product itself), to put after `run`."""
    what = "." if extra is None else f"'.[{extra}]'"
    return f"from the checkout: pip install -e {what}"
