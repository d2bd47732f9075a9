"""Options of a map in use, and of maps that a failure leaves complete."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..problem.spare import SPARE
from .options import layer_ids
from .parser import expecting, one_of, real


def add_previous(parser: argparse.ArgumentParser) -> None:
    """The map in use, and how much may change from it."""
    parser.add_argument(
        "--previous",
        type=Path,
        metavar="MAP",
        help="the map in use: ranks are named so that few replicas move from it",
    )
    parser.add_argument(
        "--max-moves",
        type=number_or_share,
        metavar="N",
        help="replicas of a layer that may move, or below 1 their share of its slots",
    )
    parser.add_argument(
        "--slack",
        type=real,
        metavar="X",
        help="as few moves as leave the objective at most so much above the method's best: 0.005 is half a percent",
    )
    parser.add_argument(
        "--move-price",
        type=real,
        metavar="X",
        help="what a move costs, in units of the mean rank load, instead of --slack",
    )
    parser.add_argument(
        "--failed-ranks",
        type=layer_ids,
        metavar="RANKS",
        default=[],
        help="ranks of the map in use that hold nothing any more, such as 3 or 8:16",
    )


def add_spare(parser: argparse.ArgumentParser) -> None:
    """What may fail without the loss of an expert."""
    parser.add_argument(
        "--spare",
        type=one_of(SPARE),
        choices=SPARE,
        metavar="WHAT",
        help="rank or node: any one of them may fail and every expert still has a replica: each is "
        "on two ranks (nodes), which takes two slots an expert",
    )


@expecting("an integer, or a share below 1")
def number_or_share(text: str) -> int | float:
    """An integer, or a number with a point."""
    return int(text) if text.lstrip("-").isdecimal() else float(text)
