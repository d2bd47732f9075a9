"""What every kind of certificate is: a proof that a pool has no packing within a target, checked from the loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

from ..checker.pool import Pool as PlainPool
from ..checker.pool import next_sum
from ..checker.problem import holds
from ..errors import FormatError
from ..problem.pool import Pool
from ..strict import number

Self = TypeVar("Self", bound="Certificate")


@dataclass(frozen=True)
class Certificate:
    """A proof that no packing of a pool has an objective <= ``target``, if it holds.

    A kind of certificate is a frozen dataclass below this one, with ``kind`` and ``names``, and with ``read`` if it has
    fields beside the target. `registry.KINDS` lists them; `checker.layer.KINDS` has the checks of those of plain pools.

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

    def holds(self, pool: Pool) -> bool:
        """Whether it proves what it says, without a solver and without rounding in its favour: the checker's word.

        Parameters
        ----------
        pool : Pool
            With the loads that were given to the checker.

        Returns
        -------
        bool
            False for every certificate that is wrong, also for one that is not even well formed.
        """
        return holds(plain_pool(pool), self.to_dict())

    def bound(self, pool: Pool) -> float:
        """What it proves of a pool if it holds, in units of load, >= ``target``.

        With two slots a rank an objective is a sum of two replica loads: the next such sum above the target (X5);
        but what windows make of such sums is not.
        """
        is_of_sums = pool.slots_per_rank == 2 and pool.windows is None
        return next_sum(plain_pool(pool), self.target) if is_of_sums else self.target

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


def plain_pool(pool: Pool) -> PlainPool:
    """A pool as the checker knows it: loads on ranks that are alike."""
    return PlainPool(pool.loads, pool.slots, pool.ranks, pool.distinct)
