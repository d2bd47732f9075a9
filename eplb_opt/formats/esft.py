"""ESFT of DeepSeek: what its models log of their routers (read at commit 36c6194 of deepseek-ai/ESFT).

A folder with ``expert_weights_{layer}.txt``, or with one such folder a rank (``rank_0``). A line is a token: its
experts and their weights, with tabs between them and two tabs between the lists. Layers are absolute. Ranks run
other tokens.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError
from .arrays import first_line
from .format import Format, Side
from .reading import TABLE, read_bytes
from .routing import Routing, in_one

FILES = "expert_weights_*.txt"
LAYER = re.compile(r"expert_weights_([0-9]{1,9})")
FOLDERS = "rank*"
Experts = npt.NDArray[np.int64]


def has_routing(content: Any) -> bool:
    """A folder with such files, or with folders of them."""
    return isinstance(content, Path) and bool(_folders(content))


def decode_routing(content: Any, source: str) -> Routing:
    """The tokens of all ranks, one rank after the other."""
    folders = _folders(content) if isinstance(content, Path) else []
    if not folders:
        raise FormatError(f"{source}: no folder with {FILES}")
    layers = _layers(folders[0])
    parts = [_of_rank(folder, layers) for folder in folders]
    return Routing(in_one(parts, source), layers)


def _folders(folder: Path) -> list[Path]:
    """The folders that hold files: one a rank, or the folder itself."""
    ranks = [path for path in sorted(folder.glob(FOLDERS)) if path.is_dir()]
    return [path for path in [folder, *ranks] if any(path.glob(FILES))]


def _layers(folder: Path) -> tuple[int, ...]:
    """The layers of a folder's files."""
    found = [LAYER.fullmatch(path.stem) for path in folder.glob(FILES)]
    return tuple(sorted(int(match[1]) for match in found if match))


def _of_rank(folder: Path, layers: tuple[int, ...]) -> Experts:
    """The experts [tokens, layers, top_k] of a rank."""
    if _layers(folder) != layers:
        raise FormatError(
            f"{folder}: other layers than the ranks before: give the files of one run"
        )
    columns = [_of_layer(folder / f"expert_weights_{layer}.txt") for layer in layers]
    shapes = {column.shape for column in columns}
    if len(shapes) > 1:
        raise FormatError(
            f"{folder}: layers of {' and '.join(map(str, sorted(shapes)[:2]))} tokens and experts, expected all of one "
            "run, to its end"
        )
    return np.stack(columns, axis=1)


def _of_layer(path: Path) -> Experts:
    """The experts [tokens, top_k] of a layer's file."""
    text = read_bytes(path, TABLE).decode("utf-8", errors="replace")
    lines = [line.split("\t\t") for line in text.splitlines() if line.strip()]
    if not lines:
        raise FormatError(f"{path} is empty")
    for number, parts in enumerate(lines):
        is_pair = len(parts) == 2 and parts[0].count("\t") == parts[1].count("\t")
        if not is_pair:
            raise FormatError(
                f"{path}, token {number}: expected experts and as many weights, two tabs between them"
            )
    experts = "\n".join(ids for ids, _ in lines)
    try:
        return np.loadtxt(
            io.StringIO(experts),
            dtype=np.int64,
            delimiter="\t",
            comments=None,
            ndmin=2,
        )
    except ValueError as error:
        raise FormatError(
            f"{path}: no experts of tokens ({first_line(error)})"
        ) from None


FORMAT = Format(
    name="esft",
    summary="ESFT: expert_weights of its models (a folder, or one a rank), a line a token",
    routing=Side(recognises=has_routing, reads=decode_routing),
)
