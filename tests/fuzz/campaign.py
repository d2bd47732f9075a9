"""All parts at once, on many processes, within a budget: what is furthest behind comes next."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from .crew import Chunk, Crew, Done
from .journal import Journal
from .part import SHOWN, Part

GRACE = 40.0  # seconds for what is in flight when the budget is spent
TICK = 0.5


class Campaign:
    """Parts, and what is left to do of them.

    Parameters
    ----------
    parts : sequence of Part
    journal : Journal
    """

    def __init__(self, parts: Sequence[Part], journal: Journal) -> None:
        self.parts = parts
        self.journal = journal
        self.left = {
            part.name: [number for number in range(part.chunks) if not journal.has(part.name, number)] for part in parts
        }

    def next_chunk(self) -> Chunk | None:
        """The next one of the part of which the largest share is left; None: all are done or in flight."""
        part = max(self.parts, key=lambda part: len(self.left[part.name]) / part.chunks)
        numbers = self.left[part.name]
        return Chunk(part, numbers.pop(0)) if numbers else None

    def run(self, crew: Crew, seconds: float, tell: Callable[[Done], None]) -> None:
        """Judge chunks until all are done or the time is over; what is not done by then is not kept.

        Parameters
        ----------
        crew : Crew
        seconds : float
        tell : callable
            Gets each chunk as it is done.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline + GRACE:
            if time.monotonic() < deadline:
                self._hand_out(crew)
            if not crew.busy():
                return
            for done in crew.done(TICK):
                self.journal.put(done)
                tell(done)

    def _hand_out(self, crew: Crew) -> None:
        """Have every idle worker at a chunk, as long as there are any."""
        while (worker := crew.idle()) is not None:
            chunk = self.next_chunk()
            if chunk is None:
                return
            worker.give(chunk)


def result(part: Part, journal: Journal) -> dict[str, Any]:
    """What a part came to: one line of the results.

    Parameters
    ----------
    part : Part
    journal : Journal

    Returns
    -------
    dict
        Counts and examples of faults, processor seconds, and where it was run.
    """
    lines = journal.of(part.name)
    figures: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for line in lines:
        figures.update(line["figures"])
        most |= line["most"]
    # Who only went on with what others had judged has no part in it.
    origins = journal.origins_of(part.name) or journal.origins[-1:]
    origin = origins[0]
    machines = sorted({f"{one['cpu']} ({one['cores']} cores)" for one in origins})
    return {
        "part": part.name,
        "summary": part.summary,
        "count": sum(line["count"] for line in lines),
        "whole": part.whole,
        "chunks": len(lines),
        "of_chunks": part.chunks,
        "faults": sum(line["faults"] for line in lines),
        "seconds": round(sum(line["seconds"] for line in lines), 1),
        "figures": dict(sorted(figures.items())),
        "most": dict(sorted(most.items())),
        "measures": [value for line in lines for value in line["measures"]],
        "examples": [f"chunk {line['chunk']}: {text}" for line in lines for text in line["examples"]][:SHOWN],
        **origin,
        "machines": machines,
    }
