"""A part of the campaign: what is judged, chunk by chunk, each chunk by its seed and number alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SHOWN = 20  # faults of a chunk that are kept as text
LONGEST = 600  # characters of one


@dataclass(frozen=True)
class Tally:
    """What a chunk came to.

    Attributes
    ----------
    count : int
        How many were judged.
    faults : tuple of str
        One a fault.
    figures : mapping
        Other counts of the part, which are added up over chunks.
    most : mapping
        Figures of which the largest over all chunks counts.
    measures : tuple of float
        One figure a judged one, where the part measures.
    """

    count: int
    faults: tuple[str, ...] = ()
    figures: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    measures: tuple[float, ...] = ()


# The seed, the number of the chunk, how many to judge.
Run = Callable[[int, int, int], Tally]


@dataclass(frozen=True)
class Part:
    """Something that is judged many times.

    Attributes
    ----------
    name : str
    summary : str
        What one of its count is, for people.
    whole : int
        How many a whole campaign judges.
    chunk : int
        How many are judged at a time: some seconds of work.
    run : callable
    is_timed : bool
        It measures time, on a machine that does nothing else: it is judged where it is asked for by name.
    """

    name: str
    summary: str
    whole: int
    chunk: int
    run: Run
    is_timed: bool = False

    @property
    def chunks(self) -> int:
        """How many chunks a whole campaign has."""
        return -(-self.whole // self.chunk)

    def size(self, number: int) -> int:
        """How many a chunk judges; the last one has what is left."""
        return min(self.chunk, self.whole - number * self.chunk)


def judged(part: Part, seed: int, number: int, count: int) -> Tally:
    """A chunk of a part; whatever it raises is a fault of it."""
    try:
        return part.run(seed, number, count)
    except Exception as error:
        return Tally(0, (raised(error),))


def raised(error: BaseException) -> str:
    """An exception in one line, with the place that raised it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    return " ".join(f"{type(error).__name__}: {error}{where}".split())[:LONGEST]
