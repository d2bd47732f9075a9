"""Annealing of a placement's layers over windows: the loads as the kernel takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..moves.held import Bools
from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from .kernel import anneal_windows
from .tables import (
    MEAN,
    PRICE,
    SHARPNESS,
    STAGES,
    cost_of_mean,
    tables,
    whole_weights,
)

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


@dataclass(frozen=True)
class InUse:
    """The map in use, from which few replicas are to move.

    Attributes
    ----------
    held : array [ranks, experts], bool
        Who has an expert already.
    price : float
        What a replica that moves costs, in units of the mean rank load.
    most : int
        How many may move.
    """

    held: Bools
    price: float = 0.0
    most: int = NO_LIMIT


def annealed_layer(
    instance: Instance,
    layer: int,
    phy2log: Ints,
    shares: Floats,
    moves: int,
    ceiling: Ceiling | None = None,
    in_use: InUse | None = None,
    warmth: float = 1.0,
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
    in_use : InUse, optional
        The map in use.
    warmth : float, default 1
        As of `annealed`.

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
        in_use=in_use,
        warmth=warmth,
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
    in_use: InUse | None = None,
    warmth: float = 1.0,
    sharpness: float = SHARPNESS,
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
    in_use : InUse, optional
    warmth : float, default 1
        Times the temperatures: below 1 the map stays nearer to the one at the start.
    sharpness : float, default 12
        Of the soft maximum over ranks.

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
    if in_use is None:  # then nothing moves
        in_use = InUse(np.ones((len(slots), loads.shape[1]), dtype=np.bool_))
    usual = tables(sharpness)
    warmed = usual._replace(temperatures=usual.temperatures * warmth)
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
        np.ascontiguousarray(in_use.held.T, dtype=np.int64),
        round(in_use.price * cost_of_mean(sharpness)),
        in_use.most,
        tuple(warmed),
    )
    return slots
