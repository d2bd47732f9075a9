"""How much may be copied at a time, and what is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..errors import OptionError, shown
from .links import ELSEWHERE, Transfers


@dataclass(frozen=True)
class MoveLimits:
    """How much may be copied at a time.

    Parameters
    ----------
    per_rank : int, optional
        Replicas that a rank receives in a batch at most, and as many that it sends.
    per_pair : int, optional
        Replicas that one rank sends to one other in a batch at most.

    Raises
    ------
    OptionError
        A limit is no positive integer.

    Examples
    --------
    >>> MoveLimits(per_rank=2)
    MoveLimits(per_rank=2, per_pair=None)
    """

    per_rank: int | None = None
    per_pair: int | None = None

    def __post_init__(self) -> None:
        for name in ("per_rank", "per_pair"):
            value = getattr(self, name)
            is_integer = hasattr(value, "__index__") and not isinstance(value, bool)
            if value is not None and (not is_integer or int(value) < 1):
                raise OptionError(f"{name}={shown(value)}: give a positive integer")

    @property
    def are_none(self) -> bool:
        """Nothing is limited."""
        return self.per_rank is None and self.per_pair is None

    def traffic(self) -> Traffic:
        """An empty batch's traffic."""
        return Traffic(self)

    def allow(self, transfers: Transfers) -> bool:
        """Whether all transfers may be in one batch."""
        traffic = self.traffic()
        for source, target, _ in zip(*transfers, strict=True):
            if not traffic.has_room(int(source), int(target)):
                return False
            traffic.note(int(source), int(target))
        return True


class Traffic:
    """What a batch copies so far, and whether there is room for more.

    Parameters
    ----------
    limits : MoveLimits
    """

    def __init__(self, limits: MoveLimits) -> None:
        self.limits = limits
        self._sent: Counter[int] = Counter()
        self._received: Counter[int] = Counter()
        self._pairs: Counter[tuple[int, int]] = Counter()

    def has_room(self, source: int, target: int) -> bool:
        """Whether a rank may send one more replica to another one."""
        most = self.limits.per_rank
        if most is not None and self._received[target] >= most:
            return False
        if source == ELSEWHERE:
            return True
        if most is not None and self._sent[source] >= most:
            return False
        of_pair = self.limits.per_pair
        return of_pair is None or self._pairs[source, target] < of_pair

    def note(self, source: int, target: int) -> None:
        """Count a replica."""
        self._received[target] += 1
        if source != ELSEWHERE:
            self._sent[source] += 1
            self._pairs[source, target] += 1
