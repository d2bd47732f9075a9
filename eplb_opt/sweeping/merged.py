"""The journals of all shards of a sweep, joined into the report of a single run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import JournalError
from ..journal.journal import PARTS
from ..merging.parts import Part
from .kept import NOT_SAID
from .sweep import so_far


def joined(parts: Sequence[Part]) -> dict[str, Any]:
    """The report of a sweep.

    Parameters
    ----------
    parts : sequence of Part
        All of them, of `kept.CELL`.

    Returns
    -------
    dict
        As `sweep` makes it.

    Raises
    ------
    JournalError
        They do not hold what they should.
    """
    asked = parts[0].asked
    head = {name: value for name, value in asked.items() if name not in NOT_SAID}
    known = {key: cells for part in parts for key, cells in part.entries.items()}
    try:
        places = [known[number,] for number in range(asked[PARTS])]
        cells = [cell for place in places for cell in place]
        return so_far(head, cells, asked["experts"], missing=0)
    except (KeyError, TypeError, ValueError) as error:
        raise JournalError(
            f"the journals do not hold what they should ({type(error).__name__}: {error}): run the shards again"
        ) from None
