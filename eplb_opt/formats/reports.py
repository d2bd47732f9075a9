"""Reports that ``solve --json`` wrote, read back: their head; what they claim is for the checker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..strict import integer, shown
from .content import read_content

KINDS: dict[str, type] = {
    "windows": str,
    "mode": str,
    "num_replicas": int,
    "num_groups": int,
    "num_nodes": int,
    "num_ranks": int,
    "distinct": bool,
    "layers": list,
    "totals": dict,
}


def read_report(path: str | Path) -> dict[str, Any]:
    """Read a report that ``solve --json`` wrote: its head is of the right types, what it claims is not looked at.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    dict
        The report, with all keys that the file has.

    Raises
    ------
    FormatError
        The file is missing, truncated, has a key twice, or is no such report.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from eplb_opt import Instance, solve
    >>> from eplb_opt.formats import read_report, write_json
    >>> result = solve(Instance([[3, 1]], 4, num_ranks=2), "greedy")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "report.json")
    ...     write_json(path, {"windows": "all"} | result.to_dict())
    ...     read_report(path)["num_replicas"]
    4
    """
    content = read_content(Path(path))
    for key, kind in KINDS.items():
        if not isinstance(content, Mapping) or key not in content:
            raise FormatError(f"{path}: no {key!r}: give the report that 'eplb-opt solve --json' wrote")
        try:
            _check(content[key], kind)
        except ValueError as error:
            raise FormatError(f"{path}: {key!r}: {error}") from None
    return dict(content)


def _check(value: Any, kind: type) -> None:
    """Raise `ValueError` unless a value is of a kind; True and 1.0 are no integers."""
    if kind is int:
        integer(value)
    elif not isinstance(value, kind):
        raise ValueError(f"{shown(value)}, expected a {kind.__name__}")
