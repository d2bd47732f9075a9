"""What the files of ``verify`` hold where one of them cannot be read: they may stand in another order."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from ..errors import EplbError

MAP = "a map"
REPORT = "a report"
LOADS = "loads"
ORDER = "the order is: verify MAP REPORT LOADS"
BOTH = "npz"  # a format that holds loads and maps, so that a bare array may be either


def misplaced(expected: Mapping[Path, str]) -> str:
    """What to say of the first file that holds another thing than expected; empty if none does.

    Parameters
    ----------
    expected : path -> `MAP`, `REPORT` or `LOADS`
    """
    for path, what in expected.items():
        found = content_of(path)
        if found not in (what, None):
            return f"{path} holds {found}, where {what} should be: {ORDER}"
    return ""


def content_of(path: Path) -> str | None:
    """What a file holds; None if it cannot be read."""
    from ..formats import holds_map, read_loads

    if _is_report(path):
        return REPORT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if holds_map(path, BOTH):
                return MAP
            read_loads(path)
    except EplbError:
        return None
    return LOADS


def _is_report(path: Path) -> bool:
    from ..formats import read_report

    try:
        read_report(path)
    except EplbError:
        return False
    return True
