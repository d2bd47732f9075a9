"""What a file holds, before anyone asks whose it is: arrays, JSON, YAML, tables, torch, told by content.

Nothing here runs code from a file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .. import own_files
from ..errors import EplbError, FormatError, is_fault_of_ours
from ..packages import missing
from .arrays import first_line, parse_npy, parse_zip
from .columns import parse_columns
from .reading import (
    ARROW,
    JSON,
    PARQUET,
    YAML,
    OversizeError,
    read_bytes,
    text_kind,
)
from .tables import parse_table
from .text import parse_json, parse_yaml
from .traces import is_trace, parse_trace

SQLITE = b"SQLite format 3\0"
WEB_PAGE = re.compile(rb"\s*<(!doctype\s+html|html)\b", re.IGNORECASE)
OTHER = "a file of loads, a map or a report"


def read_content(path: Path) -> Any:
    """The content of a file.

    Returns
    -------
    content : mapping, `Records`, nested lists, array, `Table` or `Trace`
        Of a folder: its path.

    Raises
    ------
    FormatError
        The file cannot be read, is empty, too large, truncated, damaged, or in no known format.
    MissingPackageError
        What reads this format is not installed.
    """
    if _is_folder(path):
        return path
    data = read_bytes(path)
    if not data or data.isspace():
        raise FormatError(f"{path} is empty")
    return _parsed(data, path)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None


def _parsed(data: bytes, path: Path) -> Any:
    """What the bytes of a file hold; all that may be wrong with them is said of the file."""
    try:
        return _parse(data, str(path))
    except EplbError:
        raise
    except OversizeError as error:
        raise FormatError(f"{path}: {error}") from None
    except ImportError as error:
        raise missing(error, f"reading {path}") from error
    # Whatever damaged bytes make the parsers of all these formats raise.
    except Exception as error:
        if is_fault_of_ours(error):
            raise
        raise FormatError(
            f"{path} is damaged or in no known format ({first_line(error)})"
        ) from None


def _parse(data: bytes, source: str) -> Any:
    if data.startswith(b"PK"):
        return parse_zip(data)
    if data.startswith(b"\x80"):
        raise ValueError(
            "a bare pickle or a torch file of the old form, from which nothing is run: save it as zip"
        )
    if data.startswith(b"\x93NUMPY"):
        return parse_npy(data)
    if data.startswith((PARQUET, ARROW)):
        return parse_columns(data, source)
    if data.startswith(SQLITE):
        raise FormatError(own_files.JOURNAL.instead_of(source, OTHER))
    if WEB_PAGE.match(data):
        raise FormatError(own_files.PAGE.instead_of(source, OTHER))
    if b"\0" in data:
        raise ValueError("text with zero bytes")
    text = data.decode("utf-8-sig")
    if is_trace(text):
        return parse_trace(text)
    kind = text_kind(text)
    if kind == JSON:
        return parse_json(text)
    return parse_yaml(text) if kind == YAML else parse_table(text, source)
