"""What all formats share: loads and maps with their layer ids, and atomic output."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
    layer_ids : tuple of int, or None
        Absolute layer index of each row; None if the file does not say.
    windows : tuple of str
        Labels; the window's index where the file has none.
    hidden_layers : int, or None
        Layers of the model, dense ones included, where the file says so.
    """

    load: npt.NDArray[Any]
    layer_ids: tuple[int, ...] | None
    windows: tuple[str, ...]
    hidden_layers: int | None = None

    def with_layers(self, ids: Sequence[int] | None, source: str) -> Loads:
        """The layers of these absolute ids; a file without ids holds just these.

        Raises
        ------
        FormatError
            A layer is not in the file, or their number differs.
        """
        if ids is None:
            return self
        rows = rows_of(ids, self.layer_ids, self.load.shape[1], source)
        return replace(self, load=self.load[:, rows], layer_ids=tuple(ids))

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
        return replace(self, load=self.load[chosen], windows=tuple(self.windows[i] for i in chosen))

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


@dataclass(frozen=True, eq=False)
class ExpertMap:
    """A map as a file holds it: the one form between all formats.

    Attributes
    ----------
    phy2log : array [layers, replicas]
        Logical expert of each slot.
    layer_ids : tuple of int, or None
        Absolute layer index of each row; None if the file does not say.
    num_experts, num_ranks, hidden_layers : int, or None
        Logical experts, ranks, and layers of the model with the dense ones, where the file says so.
    dense_layers_unknown : bool
        There is a row for every hidden layer, and nothing says which of them are dense.
    """

    phy2log: npt.NDArray[Any]
    layer_ids: tuple[int, ...] | None = None
    num_experts: int | None = None
    num_ranks: int | None = None
    hidden_layers: int | None = None
    dense_layers_unknown: bool = False

    def with_layers(self, ids: Sequence[int] | None, source: str) -> ExpertMap:
        """The layers of these absolute ids; a file without ids holds just these (see `Loads.with_layers`)."""
        if ids is None:
            return self
        rows = rows_of(ids, self.layer_ids, len(self.phy2log), source)
        return replace(self, phy2log=self.phy2log[rows], layer_ids=tuple(ids), dense_layers_unknown=False)


def number_layers(ids: Sequence[int] | None, rows: int, hidden_layers: int | None, source: str) -> tuple[int, ...]:
    """Absolute layer ids of rows: those given, else 0, 1, ... unless the model has more layers.

    Raises
    ------
    FormatError
        Nobody says which of the model's layers the rows are.
    """
    if ids is None and (hidden_layers or 0) > rows:
        raise FormatError(
            f"{source}: its {rows} layers are not numbered, the model has {hidden_layers}: say with --layers which "
            "they are, such as 3:61"
        )
    return tuple(range(rows)) if ids is None else tuple(ids)


def rows_of(wanted: Sequence[int], present: Sequence[int] | None, rows: int, source: str) -> list[int]:
    """Row of each layer wanted.

    Raises
    ------
    FormatError
        A layer is missing, or a file without layer ids has another number of rows.
    """
    if present is None:
        if len(wanted) != rows:
            raise FormatError(f"{source}: {rows} layers without ids, but {len(wanted)} layers are asked for")
        return list(range(rows))
    missing = [i for i in wanted if i not in present]
    if missing:
        raise FormatError(f"{source}: no layer {missing[0]} among its layers {present[0]}..{present[-1]}")
    return [list(present).index(i) for i in wanted]


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


def as_map(phy2log: object, source: str) -> npt.NDArray[Any]:
    """A map's matrix from a raw array.

    Raises
    ------
    FormatError
        It is no integer matrix.
    """
    try:
        array = np.asarray(phy2log)
    except ValueError as error:
        raise FormatError(f"{source}: the map is not rectangular ({error})") from None
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
        raise FormatError(
            f"{source}: map of shape {array.shape} and dtype {array.dtype}, expected integers [layers, replicas]"
        )
    return array


def recorded_layers(load: npt.NDArray[Any], source: str) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """The rows with any load, and their indices: recorders of all hidden layers leave dense ones 0.

    Parameters
    ----------
    load : array [windows, hidden layers, experts]

    Raises
    ------
    FormatError
        Nothing was recorded.
    """
    ids = np.flatnonzero((load != 0).any(axis=(0, 2)))
    if not len(ids):
        raise FormatError(f"{source}: no routed token recorded: all {load.shape[1]} layers are 0 in every window")
    return load[:, ids], tuple(int(i) for i in ids)


def as_ids(layer_ids: object, layers: int, source: str) -> tuple[int, ...] | None:
    """Layer ids from a raw array, or None."""
    if layer_ids is None:
        return None
    ids = np.asarray(layer_ids)
    if ids.shape != (layers,) or ids.dtype.kind not in "iu":
        raise FormatError(f"{source}: layer_ids {str(layer_ids)[:60]}, expected {layers} integers, one a layer")
    return tuple(int(i) for i in ids)
