"""From the map in use to the next one, as policies are told to: their options, and what engines pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InstanceError
from ..methods.option import Option
from ..moves.rule import (
    GAIN_IS,
    MOVES_ARE,
    PRICE_IS,
    SLACK_IS,
    amount,
    least_gain,
    move_limit,
)
from ..problem.instance import Instance
from ..problem.placement import Placement


def _number(text: str) -> int | float:
    """A number of replicas, or a share below 1."""
    return int(text) if text.strip().isdecimal() else float(text)


MAX_MOVES = Option(
    "max_moves",
    None,
    move_limit,
    MOVES_ARE,
    "how many replicas of a layer may move from the map in use",
    _number,
)
SLACK = Option(
    "slack",
    None,
    amount,
    SLACK_IS,
    "how much more than without a map in use the heaviest rank may have, for fewer moves",
    float,
)
MOVE_PRICE = Option(
    "move_price",
    None,
    amount,
    PRICE_IS,
    "what a replica that moves costs, in units of the mean rank load",
    float,
)
MIN_GAIN = Option(
    "min_gain",
    0.0,
    least_gain,
    GAIN_IS,
    "a layer keeps its map unless its objective falls by at least this part of it",
    float,
)
MOVE_OPTIONS = (MAX_MOVES, SLACK, MOVE_PRICE, MIN_GAIN)


def map_in_use(old: Any, instance: Instance) -> Placement | None:
    """The map in use as engines pass it; None if they pass none, or one of no slots.

    Parameters
    ----------
    old : tensor or array [layers, slots] of integers, or None
        Of any width, -1 for an empty slot.
    instance : Instance

    Raises
    ------
    InstanceError
        It is no such map of the instance's layers.
    """
    if old is None:
        return None
    slots = np.asarray(old.detach().cpu() if hasattr(old, "detach") else old)
    is_matrix = slots.ndim == 2 and slots.dtype.kind in "iu"
    if not is_matrix or len(slots) != instance.num_layers:
        raise InstanceError(
            f"the map in use has shape {slots.shape} and dtype {slots.dtype}: "
            f"give integers [{instance.num_layers} layers, slots]"
        )
    if not slots.size:
        return None
    return Placement(slots, instance.num_experts, tuple(instance.layer_ids or ()))
