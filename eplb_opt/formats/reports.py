"""Reports that ``solve --json`` wrote, read back: their head; what they claim is for the checker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic import atomic_write
from ..claims.reading import read_head
from ..claims.schema import in_order
from ..errors import FormatError
from ..own_files import REPORT
from .content import read_content
from .kinds import check_kind
from .proof_file import apart, joined
from .writing import write_json


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
    return joined(content, Path(path))


def write_report(path: str | Path, report: Mapping[str, Any]) -> None:
    """Write a report as ``solve --json`` does; long proofs go to a compressed file beside it, which it names.

    Parameters
    ----------
    path : str or Path
        The file.
    report : mapping
        Of `Result.to_dict`, or what the command makes of it.

    Raises
    ------
    FormatError
        A file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from eplb_opt import Instance, solve
    >>> from eplb_opt.formats import read_report, write_report
    >>> result = solve(Instance([[3, 1]], 4, num_ranks=2), "greedy")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "report.json")
    ...     write_report(path, {"windows": "all"} | result.to_dict())
    ...     sorted(file.name for file in Path(folder).iterdir())
    ['report.json']
    """
    path = Path(path)
    parts = apart(report, path)
    if parts is not None:
        atomic_write(path.with_name(parts.name), lambda file: file.write(parts.content))
        report = in_order(parts.report)
    write_json(path, report)
