"""What a worker process may take of this machine's memory; one that takes more ends, and leaves a word why."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..errors import OptionError

VARIABLE = "EPLB_OPT_WORKER_MIB"
DEFAULT = 4096
MIB = 1 << 20
WATCH = 0.1  # seconds between looks
ENDING = ".memory"
T = TypeVar("T")

_path: Path | None = None  # of the task that this process is at


def bound() -> int:
    """Bytes that a worker may take.

    Raises
    ------
    OptionError
        The variable of the environment is no positive integer.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT * MIB
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise OptionError(f"{VARIABLE}={text[:60]!r}: expected MiB, a positive integer")
    return int(text) * MIB


def resident() -> int:
    """Bytes of memory that this process takes now."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def watch(most: int) -> None:
    """End this process, in a thread beside its work, when it takes more.

    Parameters
    ----------
    most : int
        Bytes.
    """

    def look() -> None:
        while resident() <= most:
            time.sleep(WATCH)
        if _path is not None:
            with suppress(OSError):
                _path.with_suffix(ENDING).write_text(f"{most // MIB}")
        os._exit(1)

    threading.Thread(target=look, name="eplb_opt memory", daemon=True).start()


def at_task(run: Callable[..., T], path: Path, *arguments: object) -> T:
    """Run a task, of which it is known where a word is to be left: beside its outcome.

    Parameters
    ----------
    run : callable
        Gets the arguments and the path.
    path : Path
        As of `Executor.submit`.
    *arguments
    """
    global _path
    _path = path
    try:
        return run(*arguments, path)
    finally:
        _path = None


def why_ended(path: Path) -> str | None:
    """Why the worker of a task has ended, if it took too much memory; else None.

    Parameters
    ----------
    path : Path
        As of `Executor.submit`.
    """
    try:
        most = path.with_suffix(ENDING).read_text()
    except OSError:
        return None
    return (
        f"its worker took more than {most} MiB of memory: set {VARIABLE} to allow more"
    )
