"""Parses lists that a spreadsheet or pandas wrote into one cell of text: JSON, Python's own form, NumPy's form."""

from __future__ import annotations

import ast
import io
import itertools
import json
import re
import tokenize
from typing import Any

_PLAIN_TEXT = re.compile(r"'([^'\\\n]*)'")
_PLAIN_LIST = re.compile(rf"\[\s*{_PLAIN_TEXT.pattern}(?:\s*,\s*{_PLAIN_TEXT.pattern})*\s*\]")  # in a table, most lists
LONGEST_LIST = 2**20  # characters; Python's parser needs much memory for more
_SKIPPED = (tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT)


def is_list(cell: str) -> bool:
    """Return whether a cell looks like a list in brackets; no single word does."""
    text = cell.strip()
    return len(text) > 1 and text.startswith("[") and text.endswith("]")


def parsed_list(cell: str) -> list[Any]:
    """Return the list that a cell holds. Raises ValueError with the reason if it holds none.

    Text of NumPy's form (`['a' 'b']`, without commas) gives its words, as Python would join them into one; a list that
    NumPy shortened with `...` is refused.
    """
    text = cell.strip()
    if not is_list(text):
        raise ValueError("is not a list in brackets")
    if len(text) <= LONGEST_LIST and _PLAIN_LIST.fullmatch(text):
        return _PLAIN_TEXT.findall(text)
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except ValueError:
        value = _python_list(text)
    if not isinstance(value, list):
        raise ValueError("is not a list")
    return value


def parsed(cell: str) -> Any:
    """Return the JSON or Python value that a cell holds, also one with NumPy arrays in it. Raises ValueError."""
    text = cell.strip()
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except ValueError:
        if len(text) > LONGEST_LIST:
            raise ValueError(f"is longer than {LONGEST_LIST:,} characters and not JSON") from None
    try:
        if _lacks_commas(text):
            raise SyntaxError("text side by side, which Python would join")
        return ast.literal_eval(_Arrays().visit(ast.parse(text.replace("\n", " "), mode="eval")))
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("is neither JSON nor a Python value") from error


class _Arrays(ast.NodeTransformer):
    """Replaces `array([...], dtype=...)`, as NumPy writes an array within a dict, by its list."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_array = isinstance(node.func, ast.Name) and node.func.id == "array" and len(node.args) == 1
        return self.visit(node.args[0]) if is_array else node


def _python_list(text: str) -> list[Any]:
    if len(text) > LONGEST_LIST:
        raise ValueError(f"is longer than {LONGEST_LIST:,} characters and not JSON")
    if _lacks_commas(text):
        text = text.replace("\n", " ")
        return [ast.literal_eval(token) for token in _strings(text)]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError("is neither a JSON list nor a Python list") from error
    return list(value) if isinstance(value, list | tuple) else value


def _lacks_commas(text: str) -> bool:
    """Return whether two strings stand side by side, as NumPy writes them."""
    tokens = _tokens(text)
    return any(one.type == other.type == tokenize.STRING for one, other in itertools.pairwise(tokens))


def _strings(text: str) -> list[str]:
    tokens = _tokens(text)[1:-1]
    if any(token.type != tokenize.STRING for token in tokens):
        raise ValueError("is a NumPy array that was shortened or holds more than text; save it as a list")
    return [token.string for token in tokens]


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text.replace("\n", " ")).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        raise ValueError("is neither a JSON list nor a Python list") from error
    return [token for token in tokens if token.type not in _SKIPPED]
