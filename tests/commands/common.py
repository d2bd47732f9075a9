"""What the tests of the command share: small loads, and the command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from ..conftest import TWO_LAYERS
from ..terminal import shown_on_a_terminal

TOPOLOGY = ["--replicas", "16", "--ranks", "8"]
COMMAND = [sys.executable, "-m", "eplb_opt.cli"]


def write_loads(folder):
    path = folder / "loads.npz"
    np.savez(path, load=np.array([TWO_LAYERS]), layer_ids=[5, 8])
    return path


def shell(line, folder, **options):
    """A line of bash in which ``$EPLB`` is the command; its exit code is that of the first command of a pipe."""
    script = f"EPLB='{' '.join(COMMAND)}'; {line}; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=folder, timeout=120, **options)


def on_a_terminal(arguments, folder, columns, environ=None):
    """What the command shows on a terminal of so many columns, which it must end well on."""
    environ = os.environ if environ is None else environ
    code, shown = shown_on_a_terminal([*COMMAND, *arguments], folder, columns, environ)
    assert code == 0, shown
    return shown
