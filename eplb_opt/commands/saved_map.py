"""A map written as an engine loads it, and what is said of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .files import save
from .output import unnumbered


def save_map(
    path: Path,
    name: str,
    placement: Any,
    ranks: int,
    hidden_layers: int | None,
    is_numbered: bool,
) -> str:
    """Write a map; returns what to say.

    Parameters
    ----------
    path : Path
    name : str
        Of the format.
    placement : Placement
    ranks : int
    hidden_layers : int or None
        Layers of the model, dense ones too, where they are known.
    is_numbered : bool
        The input says which layers these are.
    """
    from ..formats import format_named, write_map

    def write(file: Path) -> None:
        write_map(file, placement, name, ranks, hidden_layers)

    save(path, write)
    if is_numbered or format_named(name).is_ours:
        return f"map: {path}"
    return f"map: {path} ({unnumbered(len(placement.phy2log))})"
