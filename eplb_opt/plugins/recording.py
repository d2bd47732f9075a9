"""Recording (``EPLB_OPT_RECORD``): rank 0 writes the loads of each call into a folder that ``eplb-opt solve`` reads.

A file a call, `formats.recordings`, whole or not at all; the newest `MOST_FILES` stay. Whatever goes wrong (a full
disk, a folder that cannot be made or written) is said once, ends the recording until the engine restarts, and nothing
else.
"""

from __future__ import annotations

import logging
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..formats import Loads, atomic_write, encode_loads
from ..methods.option import Option
from ..problem.pool import Floats
from .said import say_once

# 256 calls are some hours of serving, and at 16 windows a call no more than can be read at once.
MOST_FILES = 256
MOST_WINDOWS = 16  # of a call: more steps are summed to so many
DIGITS = 8  # of a file's number, so that names are in order


def path_text(value: Any) -> str:
    """A check of an option that takes a path."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    return value


RECORD = Option(
    "record",
    "",
    path_text,
    "the path of a folder",
    "where rank 0 writes the loads of each call; nowhere if empty",
)


class Recorder:
    """Writes loads, and never raises.

    Parameters
    ----------
    folder : str
        It is made if it is not there. Another engine needs another one.
    has_dense_rows : bool
        The rows of loads are all hidden layers of the model, of which the dense ones are 0.
    """

    def __init__(self, folder: str, has_dense_rows: bool) -> None:
        self._folder = Path(folder)
        self._has_dense_rows = has_dense_rows
        self._is_on = True

    def record(self, windows: Floats) -> None:
        """Write the loads [windows, layers, experts] of a call, if this process is rank 0."""
        if not self._is_on or rank() != 0:
            return
        try:
            self._write(windows)
        except Exception as error:  # nothing raises into serving
            self._is_on = False
            text = "no loads are recorded in %s from here on (%s: %s); serving goes on"
            cause = ("recording", str(self._folder))
            kind = type(error).__name__
            say_once(cause, logging.WARNING, text, self._folder, kind, error)

    def _write(self, windows: Floats) -> None:
        folder = self._folder_of(windows.shape[1:])
        folder.mkdir(parents=True, exist_ok=True)
        files = sorted(folder.glob(f"{_prefix(windows.shape[1:])}*.npz"))
        path = folder / _next_name(files, windows.shape[1:])
        content = encode_loads(path, self._as_loads(windows))
        too_many = max(0, len(files) + 1 - MOST_FILES)
        for oldest in files[:too_many]:
            oldest.unlink(missing_ok=True)
        atomic_write(path, lambda file: file.write(content))

    def _folder_of(self, shape: tuple[int, ...]) -> Path:
        """The folder, or one within it if it holds loads of another shape: of another model."""
        files = self._folder.glob("loads-*.npz")
        others = [path for path in files if not path.name.startswith(_prefix(shape))]
        return self._folder / _named(shape) if others else self._folder

    def _as_loads(self, windows: Floats) -> Loads:
        """The windows with the time of the call as their label; in whole tokens where they are such."""
        whole = np.rint(windows).astype(np.int64)
        load = whole if (whole == windows).all() else windows
        now = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
        hidden_layers = load.shape[1] if self._has_dense_rows else None
        return Loads(load, None, (now,) * len(load), hidden_layers)


def _named(shape: tuple[int, ...]) -> str:
    layers, experts = shape
    return f"{layers}x{experts}"


def _prefix(shape: tuple[int, ...]) -> str:
    return f"loads-{_named(shape)}-"


def _next_name(files: list[Path], shape: tuple[int, ...]) -> str:
    """The name of the file after the last one."""
    numbers = [path.stem.rpartition("-")[2] for path in files]
    last = max((int(number) for number in numbers if number.isdecimal()), default=-1)
    return f"{_prefix(shape)}{last + 1:0{DIGITS}}.npz"


def rank() -> int:
    """The rank of this process: torch's, or else that of the variable ``RANK``, or else 0."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank()
    text = os.environ.get("RANK", "")
    return int(text) if text.isdecimal() else 0
