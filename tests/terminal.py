"""A command on a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def shown_on_a_terminal(
    command: Sequence[str], folder: Path, columns: int, environ: Mapping[str, str]
) -> tuple[int, str]:
    """The exit code of a command, and what it shows on a terminal of so many columns."""
    leader, follower = pty.openpty()
    environ = dict(environ) | {"COLUMNS": str(columns)}
    shown = b""
    with subprocess.Popen(command, stdout=follower, stderr=follower, cwd=folder, env=environ) as run:
        os.close(follower)
        while part := _read(leader):
            shown += part
    os.close(leader)
    return run.returncode, shown.decode()


def _read(leader: int) -> bytes:
    """What is there to read; nothing once the other end is closed."""
    try:
        return os.read(leader, 1 << 16)
    except OSError:
        return b""
