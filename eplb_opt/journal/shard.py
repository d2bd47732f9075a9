"""Which part of a job a machine does: shard i of n."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import OptionError, shown

TEXT = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True)
class Shard:
    """A part of a job.

    Parameters
    ----------
    number : int
        From 1.
    of : int
        Parts of the job.

    Raises
    ------
    OptionError
        There is no such part.

    Examples
    --------
    >>> from eplb_opt.journal.shard import Shard
    >>> Shard(2, 3).parts(8)  # every third layer, as neighbours are often as hard as each other
    [1, 4, 7]
    """

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise OptionError(
                f"shard {self.number}/{self.of}: give i/n with i from 1 to n"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that a text such as ``2/4`` names.

        Parameters
        ----------
        text : str

        Raises
        ------
        OptionError
            It names none.

        Examples
        --------
        >>> Shard.parse("2/4")
        Shard(number=2, of=4)
        """
        found = TEXT.fullmatch(text)
        if found is None:
            raise OptionError(f"shard {shown(text)}: give i/n with i from 1 to n")
        return cls(int(found[1]), int(found[2]))

    def parts(self, count: int) -> list[int]:
        """The parts of a job of so many that are this shard's, by number from 0; there may be none."""
        return list(range(self.number - 1, count, self.of))

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the job."""
        return self.of == 1
