"""Where the search for a cover of all ranks is, and what it reads of windows (``models/README.md``, X7 and W5)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..problem.pool import Floats, Ints

Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


class Tree(NamedTuple):
    """Where the search is; it can pause and go on.

    Attributes
    ----------
    state : array [3], int64
        Depth (ranks filled), 1 if the list at that depth is new, and lists so far that had candidates.
    lists : array [ranks, patterns], int32; size : array [ranks]
        Patterns that still fit at each depth, fullest first.
    cursor, pivot : arrays [ranks]
        Position in the list of the pattern chosen; the expert that it must hold (-1: some expert fits nowhere).
    slack, spare : arrays [ranks]
        What the ranks from here on may leave unused; slots beyond the least counts.
    counts, left : arrays [experts]
        The count decided on (0: none yet), and how many of these replicas are not placed yet.
    opened : array [ranks, slots]
        Experts whose count was decided at each depth (-1: no more).
    cost : array [experts * options * slots], int32
        Spare slots that the m-th replica of a type on a rank takes; NEVER if it cannot be had.
    excluded : array [patterns], bool
        All packings with this pattern and the ones chosen before have been looked at.
    tally : array [experts]
        Patterns of the newest list that hold the expert.
    peaks, rest : arrays [ranks, windows]
        Of each window the least that its heaviest rank has with the ranks filled before, and what is left to carry.
    """

    state: Ints
    lists: Codes
    size: Ints
    cursor: Ints
    pivot: Ints
    slack: Ints
    spare: Ints
    counts: Ints
    left: Ints
    opened: Ints
    cost: Codes
    excluded: Bools
    tally: Ints
    peaks: Ints
    rest: Ints


class Seen(NamedTuple):
    """What windows say of patterns; nothing if there are none.

    Attributes
    ----------
    load : array [patterns, windows], int64
        Of each pattern in each window.
    most : array [windows]
        What a rank carries at most.
    caps : array [windows], float64
        What a window may weigh in the objective.
    limit : float
        The objective's.
    """

    load: Ints
    most: Ints
    caps: Floats
    limit: float
