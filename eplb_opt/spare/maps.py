"""From a method's map to one with spare replicas, layer by layer, and what is proven of such maps."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..certificates.mean import trivial_bound
from ..certificates.names import CP_SAT, SPARE_REPLICA
from ..certificates.spare import spare_replica_bound
from ..errors import FallbackWarning, SolverError
from ..limits import Limits
from ..outcome import PoolOutcome
from ..packages import is_usable
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints, Packing, Pool
from ..problem.spare import COPIES, spare_faults, units_of
from ..problem.status import exceeds, relative_gap
from .deal import dealt
from .layer_map import Frame
from .lighten import lightened
from .mend import mended

MOST_VARIABLES = 4_000  # placement variables times windows of a model that is solved
USUAL_WORK = 10.0  # of a layer's model, where nothing else is a limit


@dataclass(frozen=True)
class SpareMaps:
    """Maps of an instance in which any one rank (node) may fail.

    Attributes
    ----------
    instance : Instance
        Which has such maps (`problem.spare.require_spare`).
    spare : {"rank", "node"}
    """

    instance: Instance
    spare: str

    def fresh(
        self, placement: Placement, limits: Limits, deadline: float | None = None
    ) -> Placement:
        """The lightest found, from a map that is dealt anew, and from a valid one.

        Parameters
        ----------
        placement : Placement
            Valid, which says the groups of every node.
        limits : Limits
            ``gap``: a map so near to the bound is good enough.
        deadline : float, optional
            ``time.monotonic()`` after which maps are as they are dealt or mended, without a search.

        Returns
        -------
        Placement
            Valid and spare.
        """
        rows = [
            self._fresh_layer(layer, slots, limits.gap, deadline)
            for layer, slots in enumerate(self._by_rank(placement))
        ]
        return self._placement(np.stack(rows))

    def exact(
        self, placement: Placement, limits: Limits, deadline: float | None
    ) -> tuple[Placement, list[float]]:
        """The same map or a lighter one, of a small model, and what it proves.

        Parameters
        ----------
        placement : Placement
            Valid and spare.
        limits : Limits
            ``work``, ``gap`` and ``seed``.
        deadline : float or None
            ``time.monotonic()`` at which it ends.

        Returns
        -------
        placement : Placement
        bounds : list of float
            Of the objective of maps with spare replicas, a layer; ``-inf`` where nothing is proven.
        """
        bounds = [-math.inf] * self.instance.num_layers
        rows = self._by_rank(placement).copy()
        for layer in range(len(rows)):
            left = len(rows) - layer
            outcome = self._exact_layer(
                layer, rows[layer], _share(limits, deadline, left)
            )
            if outcome is None:
                continue
            if outcome.packing is not None:
                rows[layer] = outcome.packing.experts
            if outcome.lower_bound is not None:
                bounds[layer] = outcome.lower_bound
        return self._placement(rows), bounds

    def bounds(self) -> list[float]:
        """The bound (SP2) of each layer, which needs no search."""
        return [
            spare_replica_bound(self._whole(layer))
            for layer in range(self.instance.num_layers)
        ]

    def is_spare(self, placement: Placement) -> Ints:
        """Which layers of a valid map are spare, [layers] of bool."""
        ids = placement.layer_ids or ()
        parts = [
            spare_faults(
                Placement(row[None], placement.num_experts, (ids[layer],)),
                self.instance,
                self.spare,
            )
            for layer, row in enumerate(placement.phy2log)
        ]
        return np.array([not faults for faults in parts])

    def _fresh_layer(
        self, layer: int, slots: Ints, gap: float, deadline: float | None
    ) -> Ints:
        units = units_of(self.instance, self.spare)
        known = self._known(layer)
        found: list[tuple[float, Ints]] = []
        for start in self._starts(layer, slots):
            is_late = deadline is not None and time.monotonic() >= deadline
            if found and (is_late or relative_gap(found[0][0], known) <= gap):
                break
            lighter = start
            if not is_late:
                lighter = lightened(self.instance, layer, start, units)
            found.append((self.objective(layer, lighter), lighter))
        _, best = min(found, key=lambda pair: pair[0])
        return best.ravel()

    def _starts(self, layer: int, slots: Ints) -> Iterator[Ints]:
        """Maps with spare replicas, at least one."""
        frame = Frame.of(self.instance, layer, self.spare)
        anew = mended(frame, dealt(frame, slots))
        yield dealt(frame, slots, round_the_ranks=True) if anew is None else anew
        near = mended(frame, slots)
        if near is not None:
            yield near

    def _known(self, layer: int) -> float:
        """What the objective of a layer is at least, by bounds that need no search."""
        whole = self._whole(layer)
        return max(spare_replica_bound(whole), trivial_bound(whole)[0])

    def _exact_layer(
        self, layer: int, slots: Ints, limits: Limits
    ) -> PoolOutcome | None:
        """The outcome of the model; None where there is none, or it is of no use."""
        instance = self.instance
        if instance.num_pools > 1 or not is_usable("ortools"):
            return None
        pool = instance.pool(layer)
        gap = relative_gap(self.objective(layer, slots), self._known(layer))
        if gap <= limits.gap or pool.total == 0 or _is_large(pool):
            return None
        from .exact import solve_spare

        units = units_of(instance, self.spare)
        try:
            return solve_spare(pool, units, Packing(slots), limits)
        except SolverError as error:  # the map that is there is kept
            layer_id = (instance.layer_ids or ())[layer]
            message = f"spare replicas: CP-SAT failed on layer {layer_id}: {error}; nothing is proven by it"
            warnings.warn(message, FallbackWarning, stacklevel=6)
            return None

    def objective(self, layer: int, slots: Ints) -> float:
        """Of a valid map [ranks, slots a rank] of a layer."""
        part = self.instance.select([layer])
        ids = tuple(part.layer_ids or ())
        one = Placement(slots.reshape(1, -1), part.num_experts, ids)
        return float(one.objective(part)[0])

    def _by_rank(self, placement: Placement) -> Ints:
        instance = self.instance
        shape = (instance.num_layers, instance.num_ranks, -1)
        return placement.phy2log.reshape(shape)

    def _placement(self, rows: Ints) -> Placement:
        instance = self.instance
        flat = rows.reshape(instance.num_layers, -1)
        ids = tuple(instance.layer_ids or ())
        return Placement(flat, instance.num_experts, ids)

    def _whole(self, layer: int) -> Pool:
        """The layer as one pool, whatever the nodes: what bounds it bounds the layer."""
        instance = self.instance
        return Pool(instance.weight[layer], instance.num_replicas, instance.num_ranks)


def best_bound(
    of_all: tuple[float, str], of_counts: float, of_model: float, objective: float
) -> tuple[float, str]:
    """The largest bound of maps with spare replicas, and what proved it.

    Parameters
    ----------
    of_all : (float, str)
        Proven of all maps, with the name of what proved it.
    of_counts : float
        By (SP2).
    of_model : float
        By the model's search.
    objective : float
        Of a map with spare replicas: a bound is at most that, but for rounding.
    """
    found = [of_all, (of_counts, SPARE_REPLICA)]
    if not exceeds(of_model, objective):  # the map shows that it would be wrong
        found.append((of_model, CP_SAT))
    bound, name = max(found, key=lambda pair: pair[0])
    return min(bound, objective), name


def _is_large(pool: Pool) -> bool:
    """Whether the model has too many variables for a search that ends."""
    counts = pool.slots - COPIES * pool.num_experts + 1
    windows = 1 if pool.windows is None else len(pool.windows.shares)
    size = counts * pool.num_experts * pool.ranks * windows
    return size > MOST_VARIABLES


def _share(limits: Limits, deadline: float | None, layers: int) -> Limits:
    """The limits of one of some layers."""
    if deadline is not None:
        return limits.with_seconds(max(deadline - time.monotonic(), 0.0) / layers)
    work = USUAL_WORK if limits.work is None else limits.work
    return replace(limits, seconds=None, work=work)
