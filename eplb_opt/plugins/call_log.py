"""A log of calls (``EPLB_OPT_LOG``): rank 0 appends a line of JSON for each call of the engine that has loads.

A line is written whole, by one call of the system, or taken back. Whatever goes wrong (a full disk, a folder that is
not there) is said once, ends the log until the engine restarts, and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..methods.option import Option
from .recording import path_text
from .said import say_once

SCHEMA = "eplb_opt.call/1"
PERMISSIONS = 0o666  # less the umask, as of any new file
# A pipe that nobody reads would keep the engine waiting, were it opened in another way.
APPENDED = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK

LOG = Option(
    "log",
    "",
    path_text,
    "the path of a file",
    "where rank 0 appends a line of JSON for each call; nowhere if empty",
)


class CallLog:
    """Appends lines to a file, and never raises.

    Parameters
    ----------
    path : str
        Another engine needs another one.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "calls.jsonl")
    ...     CallLog(path).append({"outcome": "planned"})
    ...     with open(path) as file:
    ...         line = json.loads(file.read())
    >>> line["schema"], line["outcome"]
    ('eplb_opt.call/1', 'planned')
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._is_on = True
        self._is_first = True

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add a line with the entry, its schema and the time.

        Parameters
        ----------
        entry : mapping
            Values that JSON knows.
        """
        if not self._is_on:
            return
        now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        try:
            line = json.dumps({"schema": SCHEMA, "time": now, **entry}, allow_nan=False)
            append_line(self._path, line.encode(), after_a_crash=self._is_first)
            self._is_first = False
        except Exception as error:  # nothing raises into serving
            self._is_on = False
            text = "no calls are logged in %s from here on (%s: %s); serving goes on"
            kind = type(error).__name__
            cause = ("call log", self._path)
            say_once(cause, logging.WARNING, text, self._path, kind, error)


def append_line(path: str, line: bytes, after_a_crash: bool = False) -> None:
    """Add a line to a file, whole or not at all.

    Parameters
    ----------
    path : str
        It is made if it is not there.
    line : bytes
        Without its end.
    after_a_crash : bool, default False
        Whether the line before it may be without its end.

    Raises
    ------
    OSError
        The file is what it was.
    """
    handle = os.open(path, APPENDED, PERMISSIONS)
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise OSError("it is no regular file")
        size = state.st_size
        is_cut = after_a_crash and _is_cut(handle, size)
        text = (b"\n" if is_cut else b"") + line + b"\n"
        written = os.write(handle, text)
        if written < len(text):
            _take_back(handle, size, written)
            raise OSError(f"only {written} of {len(text)} bytes were written")
    finally:
        os.close(handle)


def _is_cut(handle: int, size: int) -> bool:
    """Whether the last line has no end."""
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def _take_back(handle: int, size: int, written: int) -> None:
    """Cut off a part of a line, unless somebody else has written behind it."""
    if os.fstat(handle).st_size == size + written:
        os.ftruncate(handle, size)
