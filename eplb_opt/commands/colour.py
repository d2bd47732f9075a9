"""Colour, on terminals only, and not where ``NO_COLOR`` is set (https://no-color.org): a help, never the only sign."""

from __future__ import annotations

import os
import re
from typing import Any

RED = "31"
GREEN = "32"
YELLOW = "33"
CYAN = "36"
OF_KIND = {  # of a message
    "error": RED,
    "above": RED,
    "warning": YELLOW,
    "interrupted": YELLOW,
    "note": CYAN,
}
OF_WORD = {  # in results
    "OPTIMAL": GREEN,
    "FEASIBLE": YELLOW,
    "FAULT": RED,
    "FAULTS": RED,
    "NOT PROVEN": YELLOW,
    "NOT VALID": RED,
}
WORD = re.compile(rf"\b({'|'.join(OF_WORD)})\b")


def is_terminal(stream: Any) -> bool:
    """Whether a person reads a stream."""
    return bool(stream is not None and stream.isatty())


def is_coloured(stream: Any) -> bool:
    """Whether what a stream gets may have colours."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def painted(text: str, colour: str) -> str:
    """A text in a colour."""
    return f"\033[{colour}m{text}\033[0m"


def with_coloured_words(line: str) -> str:
    r"""A line in which what is good or bad is coloured.

    Examples
    --------
    >>> with_coloured_words("layer 3 OPTIMAL")
    'layer 3 \x1b[32mOPTIMAL\x1b[0m'
    """
    return WORD.sub(lambda word: painted(word[1], OF_WORD[word[1]]), line)
