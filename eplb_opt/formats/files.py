"""What all formats share: loads with their layer ids and window labels, and atomic output."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError


@dataclass(frozen=True, eq=False)
class Loads:
    """Recorded loads.

    Attributes
    ----------
    load : array [windows, layers, experts]
        As recorded, in routed tokens; `Instance` validates the values.
    layer_ids : tuple of int, or None if the file has none
    windows : tuple of str
        Labels; the window's index where the file has none.
    """

    load: npt.NDArray[Any]
    layer_ids: tuple[int, ...] | None
    windows: tuple[str, ...]

    def select(self, which: str) -> Loads:
        """Some windows: ``all``, indices and ranges (``0``, ``1,3``, ``0:16``, ``-1``), or labels.

        Raises
        ------
        FormatError
            There is no such window.
        """
        if which == "all":
            return self
        chosen: list[int] = []
        for part in which.split(","):
            chosen += self._indices(part.strip())
        return Loads(self.load[chosen], self.layer_ids, tuple(self.windows[i] for i in chosen))

    def _indices(self, part: str) -> list[int]:
        if part in self.windows:
            return [i for i, label in enumerate(self.windows) if label == part]
        count = len(self.windows)
        try:
            if ":" in part:
                low, high = (int(x) if x.strip() else None for x in part.split(":"))
                found = list(range(count))[low:high]
            else:
                found = [range(count)[int(part)]]
        except (ValueError, IndexError):
            found = []
        if not found:
            raise FormatError(
                f"no window {part!r}: the file has {count} (0..{count - 1}), use an index, a range such as 0:16, "
                "a label, or all"
            )
        return found


def atomic_write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all: a temporary file beside it takes its name when it is complete.

    Raises
    ------
    FormatError
        The folder does not exist or cannot be written.
    """
    check_writable(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise FormatError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise `FormatError` if a file cannot be written there: to be asked before long work."""
    if path.is_dir():
        raise FormatError(f"cannot write {path}: it is a folder, name a file")
    if not path.parent.is_dir():
        raise FormatError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FormatError(f"cannot write {path}: no permission to write in {path.parent}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def as_loads(load: object, layer_ids: object, windows: object, source: str) -> Loads:
    """Loads from raw arrays.

    Raises
    ------
    FormatError
        The shapes do not fit together.
    """
    try:
        array = np.asarray(load)
    except ValueError as error:
        raise FormatError(f"{source}: the loads are not rectangular ({error})") from None
    if array.ndim not in (2, 3) or array.dtype.kind not in "biuf":
        raise FormatError(
            f"{source}: loads of shape {array.shape} and dtype {array.dtype}, expected numbers "
            "[layers, experts] or [windows, layers, experts]"
        )
    array = array if array.ndim == 3 else array[None]
    ids = as_ids(layer_ids, array.shape[1], source)
    labels = tuple(map(str, range(len(array)))) if windows is None else tuple(map(str, np.ravel(np.asarray(windows))))
    if len(labels) != len(array):
        raise FormatError(f"{source}: {len(labels)} window labels for {len(array)} windows")
    return Loads(array, ids, labels)


def as_ids(layer_ids: object, layers: int, source: str) -> tuple[int, ...] | None:
    """Layer ids from a raw array, or None."""
    if layer_ids is None:
        return None
    ids = np.asarray(layer_ids)
    if ids.shape != (layers,) or ids.dtype.kind not in "iu":
        raise FormatError(f"{source}: layer_ids {str(layer_ids)[:60]}, expected {layers} integers, one a layer")
    return tuple(int(i) for i in ids)
