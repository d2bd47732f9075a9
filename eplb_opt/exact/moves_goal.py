"""What is minimised from one map to the next, and within which limits (``models/README.md``, section 12)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral

from ..errors import OptionError, shown
from ..problem.pool import Pool
from ..problem.status import exceeds

MOST_PRICE = 1e4  # of a move, in mean rank loads


@dataclass(frozen=True)
class Goal:
    """Minimise ``constant + load_price * heaviest rank + move_price * moves`` within limits.

    `least_load`, `fewest_moves` and `least_cost` make the three goals there are.

    Attributes
    ----------
    load_price, move_price, constant : Fraction
    most_load : float
        Limit of the heaviest rank, in the unit of the loads; it may be exceeded by 1e-9, what sums are rounded by.
    most_moves : int or None
        Limit of the moves.
    known : int
        Moves that every packing within the limits is known to have, such as `bounds.moves.pattern_moves_bound` proves.
    """

    load_price: Fraction
    move_price: Fraction
    constant: Fraction = Fraction(0)
    most_load: float = math.inf
    most_moves: int | None = None
    known: int = 0

    @classmethod
    def least_load(cls, max_moves: int) -> Goal:
        """The lightest heaviest rank within a number of moves.

        Raises
        ------
        OptionError
            It is no number of moves.
        """
        is_integer = isinstance(max_moves, Integral) and not isinstance(max_moves, bool)
        if not is_integer or max_moves < 0:
            raise OptionError(f"max_moves={shown(max_moves)}: give an integer >= 0")
        return cls(Fraction(1), Fraction(0), most_moves=int(max_moves))

    @classmethod
    def fewest_moves(cls, target: float, known: int = 0) -> Goal:
        """The fewest moves to a load of the heaviest rank.

        Raises
        ------
        OptionError
            It is no load.
        """
        if not 0 <= target < math.inf:
            raise OptionError(f"target={shown(target)}: give the load of a rank, >= 0")
        return cls(Fraction(0), Fraction(1), most_load=float(target), known=known)

    @classmethod
    def least_cost(cls, pool: Pool, move_price: float) -> Goal:
        """The least imbalance (1 where nothing was routed) plus price times moves.

        Raises
        ------
        OptionError
            The price is none, or so large that nothing else would count.
        """
        if not 0 <= move_price <= MOST_PRICE:
            raise OptionError(
                f"move_price={shown(move_price)}: give a number from 0 to {MOST_PRICE:g}"
            )
        price = Fraction(move_price)
        if not pool.total:
            return cls(Fraction(0), price, constant=Fraction(1))
        return cls(pool.ranks / pool.total, price)

    @property
    def loads_a_move(self) -> Fraction | None:
        """What a move counts for, in the unit of the loads; None where loads count for nothing."""
        return self.move_price / self.load_price if self.load_price else None

    def cost(self, load: float | Fraction, moves: int) -> Fraction:
        """What is minimised, of the load of the heaviest rank and the moves."""
        return (
            self.constant + self.load_price * Fraction(load) + self.move_price * moves
        )

    def allows(self, load: float, moves: int) -> bool:
        """Whether both are within the limits."""
        is_few = self.most_moves is None or moves <= self.most_moves
        return is_few and not exceeds(load, self.most_load)

    def heaviest_of_use(
        self, pool: Pool, load: float, moves: int, fewest: int
    ) -> float:
        """The heaviest rank of any packing within the limits that costs no more than one of this load and moves.

        ``fewest`` moves are proven to be needed.
        """
        most = min(float(pool.total), self.most_load)
        if not self.load_price or not self.allows(load, moves):
            return most
        spared = self.move_price * (moves - fewest) / self.load_price
        return min(most, float(Fraction(load) + spared))
