"""What all formats share: loads and maps made from raw arrays, and what recorders leave out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from .held import Loads


def as_loads(load: object, layer_ids: object, windows: object, source: str) -> Loads:
    """Loads from raw arrays.

    Raises
    ------
    FormatError
        The shapes do not fit together.
    """
    array = _load_array(load, source)
    ids = as_ids(layer_ids, array.shape[1], source)
    names = range(len(array)) if windows is None else np.ravel(np.asarray(windows))
    labels = tuple(str(name) for name in names)
    if len(labels) != len(array):
        raise FormatError(
            f"{source}: {len(labels)} window labels for {len(array)} windows"
        )
    return Loads(array, ids, labels)


def _load_array(load: object, source: str) -> npt.NDArray[Any]:
    """Numbers [windows, layers, experts]; of a matrix, one window."""
    array = rectangular(load, "the loads are", source)
    if array.ndim not in (2, 3) or array.size == 0 or array.dtype.kind not in "biuf":
        raise FormatError(
            f"{source}: loads of shape {array.shape} and dtype {array.dtype}, expected numbers "
            "[layers, experts] or [windows, layers, experts]"
        )
    return array if array.ndim == 3 else array[None]


def rectangular(values: object, subject: str, source: str) -> npt.NDArray[Any]:
    """An array of nested lists; raise `FormatError` if its rows differ in length."""
    try:
        return np.asarray(values)
    except ValueError as error:
        message = f"{source}: {subject} not rectangular ({error})"
        raise FormatError(message) from None


def as_map(phy2log: object, source: str) -> npt.NDArray[Any]:
    """A map's matrix from a raw array.

    Raises
    ------
    FormatError
        It is no integer matrix.
    """
    array = rectangular(phy2log, "the map is", source)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
        raise FormatError(
            f"{source}: map of shape {array.shape} and dtype {array.dtype}, expected integers [layers, replicas]"
        )
    check_experts(array, source)
    return array


def check_experts(slots: npt.NDArray[Any], source: str) -> None:
    """Raise `FormatError` if a slot holds an expert that no map of so many slots has, [..., slots]."""
    if slots.max() >= slots.shape[-1]:
        raise FormatError(
            f"{source}: expert {slots.max()} in a map of {slots.shape[-1]} slots, which has no more experts than slots"
        )


def recorded(load: npt.NDArray[Any], windows: tuple[str, ...], source: str) -> Loads:
    """Loads of all hidden layers [windows, hidden layers, experts], of which recorders leave the dense ones 0.

    Raises
    ------
    FormatError
        Nothing was recorded.
    """
    layers = load.shape[1]
    is_active = (load != 0).any(axis=(0, 2))
    if not is_active.any():
        raise FormatError(
            f"{source}: no routed token recorded: all {layers} layers are 0 in every window"
        )
    ids = tuple(np.flatnonzero(is_active).tolist())
    silent = tuple(np.flatnonzero(~is_active).tolist())
    return Loads(
        load[:, is_active],
        ids,
        windows,
        hidden_layers=layers,
        silent_layers=silent,
    )


def complete(ranks: Mapping[int, set[Any]], what: str, source: str) -> list[int]:
    """The steps that everyone recorded, in order, of who recorded each.

    Raises
    ------
    FormatError
        There is none.

    Warns
    -----
    FormatWarning
        Some are left out.
    """
    everyone = set().union(*ranks.values())
    whole = sorted(step for step, present in ranks.items() if present == everyone)
    partial = sorted(set(ranks) - set(whole))
    if not whole:
        raise FormatError(f"{source}: no {what} that all ranks recorded in all layers")
    if partial:
        warnings.warn(
            f"{source}: {what} {partial[0]} is not recorded by all ranks in all layers: {len(partial)} of "
            f"{len(ranks)} left out",
            FormatWarning,
            stacklevel=2,
        )
    return whole


def as_ids(layer_ids: object, layers: int, source: str) -> tuple[int, ...] | None:
    """Layer ids from a raw array, or None."""
    if layer_ids is None:
        return None
    ids = np.asarray(layer_ids)
    if ids.shape != (layers,) or ids.dtype.kind not in "iu":
        raise FormatError(
            f"{source}: layer_ids {str(layer_ids)[:60]}, expected {layers} integers, one a layer"
        )
    return tuple(int(i) for i in ids)
