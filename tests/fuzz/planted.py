"""Parts with faults in them, for processes of a crew."""

from __future__ import annotations

import os
import time

from .part import Part, Tally


def count(seed: int, number: int, size: int) -> Tally:
    return Tally(size, ("bad",) * (number == 2), {"chunks": 1}, {"number": number}, (float(number),))


def die(seed: int, number: int, size: int) -> Tally:
    if number == 1:
        os._exit(9)
    return Tally(size)


def hang(seed: int, number: int, size: int) -> Tally:
    if number == 0:
        time.sleep(600)
    return Tally(size)


COUNT = Part("count", "numbers", 9, 2, count)
DIE = Part("die", "numbers", 3, 1, die)
HANG = Part("hang", "numbers", 2, 1, hang)
