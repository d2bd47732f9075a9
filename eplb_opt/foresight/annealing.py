"""Annealing of a placement's layers over windows: the loads as the kernel takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from .kernel import anneal_windows
from .tables import MEAN, PRICE, STAGES, tables, whole_weights

NO_LIMIT = int(np.iinfo(np.int32).max)
FIRST_PRICE = PRICE // 64  # where the limit grows from a wish to a rule
# A replica's load is cut to a whole unit: a rank may have as much more as it has slots, and its sum is rounded.
CUT = 2


@dataclass(frozen=True)
class Ceiling:
    """What no rank of a layer may have of some loads, which are no window.

    Attributes
    ----------
    loads : array [experts], float64
        In units of the mean rank load.
    most : float
        In the same unit.
    is_firm : bool
        Nothing goes above it from the start: of use where the map to start from is below, and few are.
    """

    loads: Floats
    most: float
    is_firm: bool = False

    @property
    def prices(self) -> Ints:
        """What a unit above it costs, [stages]: unless firm, less at first than it can bring, far more in the end."""
        if self.is_firm:
            return np.full(STAGES, PRICE, dtype=np.int64)
        growth = np.arange(STAGES) / (STAGES - 1)
        return np.rint(FIRST_PRICE * (PRICE / FIRST_PRICE) ** growth).astype(np.int64)


def annealed_layer(
    instance: Instance,
    layer: int,
    phy2log: Ints,
    shares: Floats,
    moves: int,
    ceiling: Ceiling | None = None,
) -> Ints:
    """A layer's map after annealing over the instance's windows.

    Parameters
    ----------
    instance : Instance
    layer : int
        Its row.
    phy2log : array [replicas], int64
        The map to start from.
    shares : array [windows], float64
        What the windows count.
    moves : int
        Proposals.
    ceiling : Ceiling, optional
        A limit that the map should keep; whether it does is for the caller to check.

    Returns
    -------
    array [replicas], int64
    """
    slots = annealed(
        instance.normalised_layer(layer),
        shares,
        phy2log.reshape(instance.num_ranks, -1),
        pool_ranks=instance.ranks_per_pool,
        distinct=instance.distinct,
        moves=moves,
        ceiling=ceiling,
    )
    return slots.ravel()


def annealed(
    loads: Floats,
    shares: Floats,
    slots: Ints,
    *,
    pool_ranks: int,
    distinct: bool,
    moves: int,
    first: int = 0,
    ceiling: Ceiling | None = None,
) -> Ints:
    """The expert in every slot after annealing over windows.

    Parameters
    ----------
    loads : array [windows, experts], float64
        A window's mean rank load is one.
    shares : array [windows], float64
    slots : array [ranks, slots a rank], int64
        What to start from.
    pool_ranks : int
        Ranks of a node, or all.
    distinct : bool
    moves, first : int
        Proposals, and the number of the first one: others make another search.
    ceiling : Ceiling, optional

    Returns
    -------
    array [ranks, slots a rank], int64
    """
    weights = whole_weights(shares)
    most = NO_LIMIT
    prices: Ints = np.zeros(STAGES, dtype=np.int64)
    if ceiling is not None:
        loads = np.vstack([ceiling.loads, loads])
        weights = np.append(0, weights)
        most = int(ceiling.most * MEAN) - CUT - slots.shape[1]
        prices = ceiling.prices
    whole = np.rint(loads.T * MEAN).astype(np.int32)
    slots = slots.astype(np.int64, copy=True)
    counts = np.bincount(slots.ravel(), minlength=loads.shape[1])
    anneal_windows(
        np.ascontiguousarray(whole),
        weights,
        slots,
        counts,
        pool_ranks,
        first,
        moves,
        distinct,
        most,
        prices,
        tuple(tables()),
    )
    return slots
