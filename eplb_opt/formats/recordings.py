"""Recordings of our plug-ins (``EPLB_OPT_RECORD``): a folder of npz files of loads, whose windows follow each other.

The files are read in the order of their names, each as a plain file of loads. All are of one model: as many layers and
experts, the same layer ids. Where they have a row for each of ``hidden_layers`` and no ids, dense layers are rows of 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from .content import read_content
from .files import recorded
from .format import Format, Side
from .held import Loads
from .plain import decode_loads as decode_plain
from .reading import OversizeError, check_unpacked

FILES = "*.npz"


def has_loads(content: Any) -> bool:
    """A folder with such files."""
    return isinstance(content, Path) and any(content.glob(FILES))


def decode_loads(content: Any, source: str) -> Loads:
    """The windows of all files, one after the other."""
    if not isinstance(content, Path):
        raise FormatError(f"{source}: a file, expected a folder of {FILES} files")
    files = list(_files(content))
    if not files:
        raise FormatError(f"{source}: no {FILES} in the folder")
    first = files[0]
    load = np.concatenate([loads.load for loads in files])
    windows = tuple(label for loads in files for label in loads.windows)
    has_dense_rows = first.layer_ids is None and first.hidden_layers == load.shape[1]
    if has_dense_rows:
        return recorded(load, windows, source)
    return Loads(load, first.layer_ids, windows, first.hidden_layers)


def _files(folder: Path) -> Iterator[Loads]:
    """The loads of each file, which must be of one model and, together, no more than memory should hold."""
    first: tuple[Path, Loads] | None = None
    size = 0
    for path in sorted(folder.glob(FILES)):
        loads = decode_plain(read_content(path), str(path))
        size += loads.load.nbytes
        try:
            check_unpacked(size)
        except OversizeError as error:
            raise FormatError(f"{folder}: {error}") from None
        first = first or (path, loads)
        _check_same_model(first, (path, loads))
        yield loads


def _check_same_model(first: tuple[Path, Loads], other: tuple[Path, Loads]) -> None:
    """Raise `FormatError` if the layers or experts of a file are not those of the first one."""
    first_path, expected = first
    path, found = other
    same_ids = found.layer_ids == expected.layer_ids
    if found.load.shape[1:] != expected.load.shape[1:] or not same_ids:
        layers, experts = found.load.shape[1:]
        raise FormatError(
            f"{path}: {layers} layers x {experts} experts, of another model than {first_path.name}: "
            "give a folder for each"
        )


FORMAT = Format(
    name="recordings",
    summary="what our plug-ins record: a folder of npz files of loads, one after the other",
    loads=Side(recognises=has_loads, reads=decode_loads),
)
