"""Reads a column of text as scores or seeds, and only where there is one way to read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from analysis.tables.foreign.table import Refused, rows_named

MISSING = frozenset({"", "nan", "na", "n/a", "none", "null", "<na>", "#n/a"})
LARGEST_SEED = 2**63 - 1  # of a column of whole numbers
_LONGEST_SEED = 100  # characters
_SAMPLE = 50
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)
_THOUSANDS_POINT = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+\.[0-9]+|[+-]?[0-9]{1,3}(,[0-9]{3}){2,}")
_THOUSANDS_COMMA = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{3})+,[0-9]+|[+-]?[0-9]{1,3}(\.[0-9]{3}){2,}")
_COULD_BE_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_GROUPS = re.compile(r"(?<=[0-9])[ '\u00a0\u2009\u202f\u2019](?=[0-9]{3}(?![0-9]))")
_SPREAD = re.compile(r"(.*?)\s*(?:±|\+/-|\+-)\s*(.+)")
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")


def is_missing(text: str | None) -> bool:
    """Return whether a cell of a column of numbers says that there is none."""
    return text is None or text.strip().lower() in MISSING


def quick_numbers(texts: Sequence[str | None]) -> list[float | None] | None:
    """Return plain numbers, as most columns hold them; None if any text is not one."""
    written = [text for text in texts if text is not None]
    joined = "".join(written)
    if not joined.isascii() or "_" in joined:  # Python's own notation, and digits of other scripts
        return None
    try:
        return [None if text is None else float(text) for text in texts]
    except ValueError:
        return None


def could_be_numbers(values: Sequence[str | None]) -> bool:
    """Return whether a column holds at least one number and nothing but numbers and missing cells."""
    first = [value for value in values[:_SAMPLE] if not is_missing(value)]
    if any(not any(character.isdigit() for character in str(value)) for value in first):
        return False
    try:
        return any(number is not None for number in read_scores(values, range(len(values)), "", "")[0])
    except Refused:
        return False


def read_scores(
    values: Sequence[str | None], rows: Sequence[int], label: str, name: str
) -> tuple[list[float | None], list[str]]:
    """Return one number per cell (None: missing, an infinite one as it is), and notes on how they are written.

    Percent signs, thousands and decimal commas are read where the whole column leaves no doubt; a percentage stays a
    percentage. Of `0.81 ± 0.02` the first number is read. Raises Refused, naming the rows, for everything else.
    """
    texts = [None if is_missing(value) else _bare(str(value)) for value in values]
    quick = quick_numbers(texts)
    if quick is not None:
        return quick, []
    notes: list[str] = []
    texts = _without_spread(texts, notes, f"{label}: {name}")
    texts = _without_percent(texts, rows, label, name, notes)
    texts = [None if text is None else _GROUPS.sub("", text) for text in texts]
    comma = _has_decimal_comma(texts, rows, label, name)
    numbers = [None if text is None else _number(text, comma) for text in texts]
    unreadable = [row for row, text, number in zip(rows, texts, numbers, strict=True) if text and number is None]
    if unreadable:
        first = next(value for value, row in zip(values, rows, strict=True) if row == unreadable[0])
        raise Refused(
            f"{label}: {rows_named(unreadable)}: {name} is not a number: {first!r}; write a number, or leave the cell "
            "empty for a run without a score"
        )
    if comma:
        notes.append(f"{label}: {name} is read with decimal commas")
    return numbers, notes


def has_spread(text: str | None) -> bool:
    """Return whether a cell holds a mean and its spread, such as `0.81 ± 0.02`."""
    return text is not None and _SPREAD.fullmatch(text.strip()) is not None


def _bare(text: str) -> str:
    return text.strip().replace("\N{MINUS SIGN}", "-")


def _without_spread(texts: list[str | None], notes: list[str], where: str) -> list[str | None]:
    parts = [None if text is None else _SPREAD.fullmatch(text) for text in texts]
    if not any(parts):
        return texts
    notes.append(f"{where}: what stands after ± is left out: a run has one score, and its spread is over its runs")
    return [text if part is None else part[1] for text, part in zip(texts, parts, strict=True)]


def _without_percent(
    texts: list[str | None], rows: Sequence[int], label: str, name: str, notes: list[str]
) -> list[str | None]:
    signs = [text is not None and text.endswith("%") for text in texts]
    if not any(signs):
        return texts
    bare = [row for row, text, sign in zip(rows, texts, signs, strict=True) if text is not None and not sign]
    if bare:
        raise Refused(
            f"{label}: {rows_named(bare)}: {name} has no % sign, but other rows have one; write all scores in one unit"
        )
    notes.append(f"{label}: {name} is in percent")
    return [None if text is None else text[:-1].rstrip() for text in texts]


def _has_decimal_comma(texts: Sequence[str | None], rows: Sequence[int], label: str, name: str) -> bool:
    """Return whether the column writes decimal commas. Raises Refused if its rows disagree or leave it open."""
    comma, point, either = [], [], []
    for row, text in zip(rows, texts, strict=True):
        if text is None:
            continue
        if _THOUSANDS_COMMA.fullmatch(text) or (_COMMA.fullmatch(text) and not _COULD_BE_THOUSANDS.fullmatch(text)):
            comma.append(row)
        elif _COULD_BE_THOUSANDS.fullmatch(text):
            either.append(row)
        elif "." in text or _THOUSANDS_POINT.fullmatch(text):
            point.append(row)
    if comma and point:
        raise Refused(
            f"{label}: {name} mixes decimal commas ({rows_named(comma)}) and decimal points ({rows_named(point)}); "
            "write all of them with points"
        )
    if either and not comma and not point:
        raise Refused(
            f"{label}: {rows_named(either)}: {name} can be read in two ways (a thousands separator or a decimal comma);"
            " write it without thousands separators and with a decimal point"
        )
    return bool(comma)


def _number(text: str, comma: bool) -> float | None:
    if comma:
        text = text.replace(".", "").replace(",", ".") if _THOUSANDS_COMMA.fullmatch(text) else text.replace(",", ".")
    elif "," in text:
        if not (_THOUSANDS_POINT.fullmatch(text) or _COULD_BE_THOUSANDS.fullmatch(text)):
            return None
        text = text.replace(",", "")
    if _PLAIN.fullmatch(text) or _INFINITE.fullmatch(text):
        return float(text)
    return None


def read_keys(values: Sequence[str | None]) -> list[int | str | None]:
    """Return seeds, split seeds or folds: whole numbers if all are and all are small enough, else as written."""
    texts = [None if value is None or not str(value).strip() else str(value).strip() for value in values]
    numbers = [None if text is None else _whole(text) for text in texts]
    whole = all(text is None or number is not None for text, number in zip(texts, numbers, strict=True))
    if whole and all(number is None or abs(number) <= LARGEST_SEED for number in numbers):
        return list(numbers)
    return list(texts)


def _whole(text: str) -> int | None:
    if len(text) > _LONGEST_SEED:
        return None
    if _WHOLE.fullmatch(text):
        return int(text.partition(".")[0])
    if not _PLAIN.fullmatch(text):
        return None
    number = Decimal(text)
    return int(number) if abs(number.adjusted()) < 40 and number == number.to_integral_value() else None
