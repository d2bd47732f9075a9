"""Output files: whole, or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ..errors import FormatError

NAME = 64  # characters of a file's name that its temporary file shows


def atomic_write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all: a temporary file beside it takes its name when it is complete.

    A link stays one: the file that it names is written.

    Raises
    ------
    FormatError
        The folder does not exist or cannot be written, or something else than a file has that name.
    """
    check_writable(path)
    try:
        path = path.resolve()
        temporary = path.with_name(f".{path.name[:NAME]}.{uuid.uuid4().hex}.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)  # less the umask
    except (OSError, RuntimeError, ValueError) as error:
        raise _cannot(path, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    except OSError as error:
        raise _cannot(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise `FormatError` if a file cannot be written there: to be asked before long work."""
    try:
        target = path.resolve()
        if target.is_dir():
            raise FormatError(f"cannot write {path}: it is a folder, name a file")
        if target.exists() and not target.is_file():
            raise FormatError(f"cannot write {path}: it is no regular file, and would be replaced by one")
        if not target.parent.is_dir():
            raise FormatError(f"cannot write {path}: there is no folder {target.parent}")
        if not os.access(target.parent, os.W_OK):
            raise FormatError(f"cannot write {path}: no permission to write in {target.parent}")
    except FormatError:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # a name too long or with a NUL, a loop of links
        raise _cannot(path, error) from None


def _cannot(path: Path, error: BaseException) -> FormatError:
    return FormatError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}")
