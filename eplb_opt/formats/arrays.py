"""Files of arrays: npy, npz, torch and safetensors. What their headers claim is compared with what is there first.

Nothing here runs code from a file: torch files load with ``weights_only=True``, npz and npy without pickles.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import FormatError
from ..packages import require
from .reading import ARRAYS, VARIABLE, OversizeError, check_unpacked, limit, read_bytes

ENTRY = b"PK\x01\x02"  # begins every entry in a zip's directory
MOST_ENTRIES = 200_000  # a torch file has one a tensor
MOST_ARRAYS = 100  # of an npz; loads and maps have five
MOST_VALUES = 1 << 26  # plain ones in lists of a torch file
OBJECT = 64  # plain values that another object counts for, as it takes longer
PICKLE = 16  # what is no tensor may have the limit divided by this
PLAIN = {int, float, bool, str, type(None)}
MAX_NOTE = 120
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def first_line(error: BaseException) -> str:
    """What an error says, in short."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:MAX_NOTE]


def parse_npy(data: bytes) -> Any:
    """The array of an npy file."""
    with io.BytesIO(data) as file:
        _check_header(file, len(data), "it")
    return np.load(io.BytesIO(data), allow_pickle=False)


def parse_zip(data: bytes) -> Any:
    """What an npz file (arrays by name) or a torch file holds."""
    if data.count(ENTRY) > MOST_ENTRIES:  # before its directory is read into memory
        raise ValueError(f"a zip of more than {MOST_ENTRIES} files")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        check_unpacked(sum(entry.file_size for entry in entries))
        pickled = [entry for entry in entries if entry.filename.endswith("data.pkl")]
        if not pickled:
            return _parse_npz(archive)
        for entry in pickled:
            _check_pickle(archive, entry)
    return _parse_torch(data)


def read_safetensors(path: Path) -> dict[str, Any]:
    """The arrays of a safetensors file.

    Raises
    ------
    FormatError
        The file cannot be read or is damaged.
    MissingPackageError
        safetensors is not installed.
    """
    require(f"reading {path}", "safetensors.numpy")
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(read_bytes(path, ARRAYS)))
    except FormatError:
        raise
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        MemoryError,
    ) as error:
        raise FormatError(
            f"{path} is damaged or no safetensors file ({first_line(error)})"
        ) from None


def _parse_npz(archive: zipfile.ZipFile) -> dict[str, Any]:
    entries = archive.infolist()
    if len(entries) > MOST_ARRAYS:
        raise ValueError(
            f"an npz of {len(entries)} arrays, expected at most {MOST_ARRAYS}"
        )
    result: dict[str, Any] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name in result:
            raise ValueError(f"array {name!r} is there twice")
        with archive.open(entry) as file:
            _check_header(file, entry.file_size, repr(name))
        with archive.open(entry) as file:
            result[name] = np.lib.format.read_array(file, allow_pickle=False)
    return result


def _check_header(file: IO[bytes], available: int, name: str) -> None:
    """Raise `ValueError` unless the bytes that are there are those of the array that the header describes."""
    read = HEADERS.get(np.lib.format.read_magic(file))
    if read is None:
        raise ValueError("an npy file of an unknown version")
    shape, _, dtype = read(file)
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueError(f"{name} holds dtype {dtype}, expected numbers or text")
    claimed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or claimed > available - file.tell():
        raise ValueError(
            f"{name} claims shape {shape} and dtype {dtype}, and has {available} bytes"
        )


def _check_pickle(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Refuse what torch's restricted reader takes: objects for minutes, and ``bytearray`` of any size."""
    if entry.file_size > limit() // PICKLE:
        raise OversizeError(
            f"a torch file with {entry.file_size} bytes outside of tensors: set {VARIABLE}"
        )
    if b"bytearray" in archive.read(entry):
        raise ValueError(
            "a torch file with other objects than tensors and plain values: nothing is run"
        )


def _parse_torch(data: bytes) -> Any:
    import torch

    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(
            "a torch file with other objects than tensors and plain values: nothing is run"
        ) from None
    if not isinstance(content, (Mapping, torch.Tensor)):
        raise ValueError(
            f"a torch file that holds a {type(content).__name__}, expected a tensor or a dict of tensors"
        )
    return _ToNumpy()(content)


class _ToNumpy:
    """Tensors as arrays, also within mappings and lists; all else as it is.

    A few bytes may stand for very many values: a tensor with strides of 0, lists that hold one list many times. So
    what has been met is counted.
    """

    def __init__(self) -> None:
        self.values = 0
        self.bytes = 0

    def __call__(self, content: Any) -> Any:
        self._count(OBJECT)
        if type(content) in PLAIN:
            return content
        if isinstance(content, (list, tuple)):
            if set(map(type, content)) <= PLAIN:
                self._count(len(content))
                return content
            return [self(item) for item in content]
        if hasattr(content, "detach"):
            return self._array(content.detach())
        if isinstance(content, Mapping):
            return {key: self(value) for key, value in content.items()}
        return content

    def _count(self, values: int) -> None:
        self.values += values
        if self.values > MOST_VALUES:
            raise ValueError("a torch file of too many values outside of tensors")

    def _array(self, tensor: Any) -> Any:
        is_half = str(tensor.dtype) in ("torch.bfloat16", "torch.float16")
        item_size = 4 if is_half else tensor.element_size()
        self.bytes += tensor.numel() * item_size
        check_unpacked(self.bytes)
        if is_half:
            tensor = tensor.float()  # numpy has no bfloat16
        return tensor.numpy()
