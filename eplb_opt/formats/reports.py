"""Reports that ``solve --json`` wrote, read back: their head; what they claim is for the checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..checker.claims import read_head
from ..errors import FormatError
from ..own_files import REPORT
from .content import read_content
from .kinds import check_kind


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
        The file is missing, truncated, has a key twice, is of a newer schema, or is no such report.

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
    if isinstance(content, Path):
        raise FormatError(f"cannot read {path}: a folder, give the report's file")
    check_kind(content, str(path), REPORT)
    read_head(content, str(path), needs_windows=True)
    return dict(content)
