"""Bytes from disk: regular files only, and no more of them than memory should hold.

A file is refused above `limit`, 1 GiB unless ``EPLB_OPT_MAX_FILE_MIB`` says otherwise; text above a share of it, as it
takes many times its size when it is parsed; arrays may unpack to twice the limit.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from ..errors import FormatError

VARIABLE = "EPLB_OPT_MAX_FILE_MIB"
DEFAULT = 1024
MIB = 1 << 20
UNPACKED = 2  # times the limit: what the arrays of a file may take
HEAD = 4096  # bytes that tell what a file is
# What a file holds, as messages say it.
ARRAYS = "arrays"
JSON = "JSON"
TABLE = "a table"
YAML = "YAML"
# What files of columns begin with.
PARQUET = b"PAR1"
ARROW = b"ARROW1"
SHARE = {ARRAYS: 1, JSON: 4, TABLE: 16, YAML: 64}  # the limit is divided by this
# Pandas names a column so.
YAML_KEY = re.compile(r"^\s*(#[^\n]*\n\s*)*(---|(?!Unnamed: \d)[A-Za-z_]\w*\s*:(\s|$))")


class OversizeError(ValueError):
    """What a file holds takes more memory than the limit allows."""


def limit() -> int:
    """Bytes that a file may have.

    Raises
    ------
    FormatError
        The variable of the environment is no positive integer.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT * MIB
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise FormatError(f"{VARIABLE}={text[:60]!r}: expected MiB, a positive integer")
    return int(text) * MIB


def read_bytes(path: Path, kind: str | None = None) -> bytes:
    """The bytes of a regular file.

    Parameters
    ----------
    kind : str, optional
        What it holds, a key of `SHARE`; default: told from its first bytes.

    Raises
    ------
    FormatError
        There is no such file, it is no regular one or it is too large; nothing of it has been read then.
    """
    try:
        return _read_regular(path, kind)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except FormatError:
        raise
    except ValueError as error:  # a path with a NUL
        raise FormatError(f"cannot read {str(path)!r}: {error}") from None


def _read_regular(path: Path, kind: str | None) -> bytes:
    """The bytes of a file, once it is known to be a regular one and not too large."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FormatError(
            f"cannot read {path}: it is no regular file, give a file or a folder"
        )
    with open(path, "rb", opener=_without_waiting) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(HEAD)
        kind = kind or kind_of(head)
        most = limit() // SHARE[kind]
        if size > most:
            raise _too_large(path, size, kind, most)
        # No more than it had when it was asked, though it may grow meanwhile.
        return head + file.read(max(size, HEAD))


def kind_of(head: bytes) -> str:
    """What a file that begins like this holds, a key of `SHARE`."""
    if head.startswith((b"PK", b"\x80", b"\x93NUMPY", PARQUET, ARROW)):
        return ARRAYS
    return text_kind(head.decode("utf-8-sig", errors="replace"))


def text_kind(text: str) -> str:
    """What text that begins like this holds, a key of `SHARE`."""
    if text.lstrip().startswith(("[", "{")):
        return JSON
    return YAML if YAML_KEY.match(text) else TABLE


def most_unpacked() -> int:
    """Bytes that the arrays of a file may take."""
    return UNPACKED * limit()


def check_unpacked(size: int) -> None:
    """Raise `OversizeError` if arrays of so many bytes are too many for one file."""
    most = most_unpacked()
    if size > most:
        needed = _mebibytes(size, UNPACKED)
        raise OversizeError(
            f"its arrays take {size // MIB} MiB, more than {most // MIB}: set {VARIABLE} to at least {needed}"
        )


def _without_waiting(path: str, flags: int) -> int:
    """Open, also what has become a FIFO meanwhile: nobody waits for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _too_large(path: Path, size: int, kind: str, most: int) -> FormatError:
    has = _mebibytes(size)
    return FormatError(
        f"{path} has {has} MiB, more than the {most // MIB} MiB that are read of {kind}: set {VARIABLE} to at least "
        f"{has * SHARE[kind]}"
    )


def _mebibytes(size: int, times: int = 1) -> int:
    """Bytes in units of so many MiB, rounded up."""
    return -(-size // (times * MIB))
