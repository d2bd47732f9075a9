"""Options of unequal ranks: their speeds and slots, and what is not there with them yet."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import OptionError
from .parser import expecting

Number = TypeVar("Number", int, float)
MOST_RANKS = 2**20  # that one item of a list may stand for
NAMES = ("rank_speeds", "rank_slots")


def add_unequal(parser: argparse.ArgumentParser) -> None:
    """Speeds and slots of the ranks."""
    parser.add_argument(
        "--rank-speeds",
        type=speeds,
        metavar="LIST",
        help="relative speeds of unequal or throttled GPUs, in their order: 1,1,0.8 or 1x28,0.8x4",
    )
    parser.add_argument(
        "--rank-slots",
        type=slots,
        metavar="LIST",
        help="slots of each rank, --replicas together: 9,9,8 or 9x28,8x4; 0 of one that does not run",
    )


@expecting("a speed for each rank, such as 1,1,0.8 or 1x28,0.8x4")
def speeds(text: str) -> list[float]:
    """Numbers with commas between them, each for one rank or, as ``0.8x4``, for several.

    Examples
    --------
    >>> speeds("1,0.8x2")
    [1.0, 0.8, 0.8]
    """
    return _repeated(text, float)


@expecting("slots for each rank, such as 9,9,8 or 9x28,8x4")
def slots(text: str) -> list[int]:
    """Integers, written in the same way.

    Examples
    --------
    >>> slots("9x2,8")
    [9, 9, 8]
    """
    return _repeated(text, int)


def _repeated(text: str, read: Callable[[str], Number]) -> list[Number]:
    values: list[Number] = []
    for item in text.split(","):
        value, times, count = item.partition("x")
        ranks = int(count) if times else 1
        if not 1 <= ranks <= MOST_RANKS:
            raise ValueError(item)
        values += [read(value)] * ranks
    return values


def ranks_in(options: argparse.Namespace) -> dict[str, Any]:
    """What the options state of unequal ranks, as `Instance` takes it."""
    return {name: getattr(options, name, None) for name in NAMES}


def check_unequal(options: argparse.Namespace, instance: Any) -> None:
    """Raise `OptionError` for an option that is not there with unequal ranks yet: nothing ignores them silently."""
    if instance.unequal is None:
        return
    without = [
        ("--previous", getattr(options, "previous", None)),
        ("--spare", getattr(options, "spare", None)),
    ]
    for option, value in without:
        if value is not None:
            raise OptionError(
                f"{option} {value} is not there with --rank-speeds or --rank-slots yet: leave one of both out"
            )
    is_sampled = getattr(options, "tokens_per_step", None) is not None
    if is_sampled and instance.objective.cost is None:
        raise OptionError(
            "--tokens-per-step with --rank-speeds or --rank-slots needs --cost: what sampling adds is known of equal "
            "ranks only"
        )
