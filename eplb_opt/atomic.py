"""Output files: whole, or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .errors import FormatError

NAME = 64  # characters of a file's name that its temporary file shows
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
PERMISSIONS = 0o666  # less the umask, as of any new file


def atomic_write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all: a temporary file beside it takes its name when it is complete.

    A link stays one: the file that it names is written.

    Parameters
    ----------
    path : Path
        The file.
    write : callable (binary file)
        Writes the content.

    Raises
    ------
    FormatError
        The folder does not exist or cannot be written, or something else than a file has that name.

    Examples
    --------
    >>> import tempfile
    >>> from eplb_opt.formats import atomic_write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "map.json")
    ...     atomic_write(path, lambda file: file.write(b"[]"))
    ...     path.read_bytes()
    b'[]'
    """
    check_writable(path)
    try:
        path = _target(path)
        unique = uuid.uuid4().hex
        temporary = path.with_name(f".{path.name[:NAME]}.{unique}.tmp")
        handle = os.open(temporary, NEW_FILE, PERMISSIONS)
    except (OSError, RuntimeError, ValueError) as error:
        raise _cannot(path, error) from None
    try:
        _write_whole(handle, write)
        _replace(path, temporary)
    except OSError as error:
        raise _cannot(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _write_whole(handle: int, write: Callable[[IO[bytes]], object]) -> None:
    """Write the content to the disk before the file takes its name: else a crash could leave an empty file of it."""
    with os.fdopen(handle, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, temporary: Path) -> None:
    """Give a file the name, and the permissions, of the one that it replaces."""
    if path.exists():
        permissions = path.stat().st_mode & 0o777
        os.chmod(temporary, permissions)
    os.replace(temporary, path)


def check_writable(path: Path) -> None:
    """Whether a file can be written there: to be asked before long work.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    FormatError
        It cannot.

    Examples
    --------
    >>> from eplb_opt.formats import check_writable
    >>> check_writable(Path("no such folder", "map.npz"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eplb_opt.errors.FormatError: cannot write no such folder/map.npz: there is no folder ...
    """
    try:
        reason = _why_not(_target(path))
    # A name too long or with a NUL, a loop of links.
    except (OSError, RuntimeError, ValueError) as error:
        raise _cannot(path, error) from None
    if reason is not None:
        raise FormatError(f"cannot write {path}: {reason}")


def _target(path: Path) -> Path:
    """Of a link, what it names; `OSError` or, before Python 3.13, `RuntimeError` if it names itself."""
    target = path.resolve()
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def _why_not(target: Path) -> str | None:
    """Why no file can be written there; None: it can."""
    if target.is_dir():
        return "it is a folder, name a file"
    if target.exists() and not target.is_file():
        return "it is no regular file, and would be replaced by one"
    if not target.parent.is_dir():
        return f"there is no folder {target.parent}"
    if not os.access(target.parent, os.W_OK):
        return f"no permission to write in {target.parent}"
    return None


def _cannot(path: Path, error: BaseException) -> FormatError:
    reason = getattr(error, "strerror", None) or error
    return FormatError(f"cannot write {path}: {reason}")
