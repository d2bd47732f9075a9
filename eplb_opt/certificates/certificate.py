"""What every kind of certificate is: a proof that a pool has no packing within a target, checked from the loads."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

from ..errors import FormatError
from ..problem.pool import Pool
from ..strict import number
from .sums import next_sum

Self = TypeVar("Self", bound="Certificate")


@dataclass(frozen=True)
class Certificate(ABC):
    """A proof that no packing of a pool has an objective <= ``target``, if it holds.

    A kind of certificate is a frozen dataclass below this one, with ``kind``, ``names`` and ``holds``, and with
    ``read`` if it has fields beside the target. `registry.KINDS` lists them.

    Parameters
    ----------
    target : float
        T, in units of load.

    Attributes
    ----------
    kind : str
        Of the class: the value of the key ``kind`` in files.
    names : tuple of str
        Of the class: the bounds that a certificate of this kind may prove, as reports name them.
    """

    kind: ClassVar[str]
    names: ClassVar[tuple[str, ...]]

    target: float

    def is_of(self, pool: Pool) -> bool:
        """Whether it says anything of such a pool: of sizes that are loads, but for kinds that say otherwise."""
        return pool.cost is None and pool.unequal is None

    @abstractmethod
    def holds(self, pool: Pool) -> bool:
        """Whether it proves what it says, without a solver and without rounding in its favour.

        Parameters
        ----------
        pool : Pool
            With the loads that were given to the checker.

        Returns
        -------
        bool
            False for every certificate that is wrong, also for one that is not even well formed.
        """

    def bound(self, pool: Pool) -> float:
        """What it proves of a pool if it holds, in units of load, >= ``target``.

        With two slots a rank an objective is a sum of two replica loads: the next such sum above the target (X5);
        but what windows make of such sums is not.
        """
        if pool.slots_per_rank != 2 or pool.windows is not None:
            return self.target
        largest = min(2 * self.target, sys.float_info.max)
        return max(self.target, next_sum(pool, self.target, largest))

    def proves(self, pool: Pool, bound: float, name: str) -> bool:
        """Whether a bound of this name, in units of load, is one that it proves if it holds."""
        is_named = name in self.names and self.is_of(pool)
        return is_named and self.bound(pool) >= bound

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON, which keeps every float exactly; the key ``kind`` says what it is."""
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def from_dict(cls: type[Self], data: Mapping[str, Any]) -> Self:
        """The certificate of ``to_dict``.

        Raises
        ------
        FormatError
            A key is missing or a value is of the wrong type.
        """
        try:
            return cls.read(data)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"not a certificate of kind {cls.kind} ({error}): write it with to_dict"
            ) from error

    @classmethod
    def read(cls: type[Self], data: Mapping[str, Any]) -> Self:
        """The certificate of ``to_dict``; a value of the wrong type raises what it raises."""
        return cls(number(data["target"]))
