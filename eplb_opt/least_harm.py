"""After a method: of the maps that are as good as was asked for, each layer takes one that changed loads hurt least."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from .apart import distinct_instance, packed_apart, repaired
from .foresight.harmless import heaviest_load, least_harmful
from .foresight.imagined import ENOUGH, traffic
from .foresight.plan import MOVES
from .ground import Ground
from .heuristics.greedy import greedy
from .heuristics.refine import refined
from .heuristics.repeats import fewer_repeats
from .journal.rows import KeptRows
from .layer import LayerState
from .limits import Limits
from .methods.steps import by_greedy
from .problem.hierarchy import NodeSet
from .problem.instance import Instance
from .problem.pool import Ints, Packing
from .search.covers import least_cover
from .search.search import search_near
from .starts import split

# A heuristic's map, of which nothing was proven, may be so far above its bound.
ROOM = 1e-3
OTHERS = 8  # further maps that a layer is given to choose from
FEWEST_SLOTS = 24  # of a pool whose other maps are worth a search
MOST_SLOTS = 128  # in larger pools the exchanges alone find as good ones
SECONDS = 1e-8  # of one proposal and window
SECONDS_OF_WORK = 5e-8  # of a unit of the search's work
WORK = 20_000  # of the search for one of them, for each slot
MOST_RANK_SLOTS = 5  # of ranks whose contents are listed
COVERS = 256  # searches for a layer's covers, where ranks have few slots
SECONDS_OF_COVER = 4e-3  # of one of them


class LeastHarm:
    """The choice of the least harmful map, layer by layer, within the time.

    Parameters
    ----------
    instance : Instance
        Whose objective adds windows.
    layers : list of LayerState
    limits : Limits
    deadline : float or None
        ``time.monotonic()`` at which it ends; None: the work is the same everywhere.
    searches : bool
        Look for other maps as good, too, with counts near the greedy's.
    kept : KeptRows
        Choices of earlier runs.
    """

    def __init__(
        self,
        instance: Instance,
        layers: list[LayerState],
        limits: Limits,
        deadline: float | None,
        *,
        searches: bool,
        kept: KeptRows,
    ) -> None:
        self.instance = instance
        self.layers = layers
        # No layer ends above both the greedy's map and what the method found.
        self.by_greedy = greedy(instance).objective(instance)
        self.limits = limits
        self.deadline = deadline
        self.searches = searches
        self.kept = kept
        self.windows = traffic(instance)
        apart = distinct_instance(instance) if instance.num_windows == 1 else None
        # The same without repeats on a rank, if that is possible, and of a heuristic its map without repeats.
        self.windows_apart = (
            None if apart is None else replace(self.windows, distinct=True)
        )
        self.refined_apart = None if apart is None or searches else refined(apart)
        self.each = _seconds_of_annealing(instance)
        # Of layers whose choice has not begun, the time that is left is shared.
        self.waiting = iter(range(len(layers), 0, -1))

    def choose(self) -> None:
        """Let every layer take its least harmful map."""
        with ThreadPoolExecutor(self.limits.workers) as threads:
            chosen = threads.map(self._chosen, self.layers)
            try:
                for layer, row in zip(self.layers, chosen, strict=True):
                    self.kept.keep(layer.layer, row)
                    layer.take_instead(dict(split(self.instance, row)))
            except BaseException:
                self.deadline = -math.inf  # so that the threads end soon
                raise

    def _is_over(self) -> bool:
        """Whether another annealing may end too late."""
        if self.deadline is None:
            return False
        return time.monotonic() + self.each > self.deadline

    def _is_after(self, end: float) -> bool:
        """Whether a time is over, or the whole choice."""
        if self.deadline is not None:
            end = min(end, self.deadline)
        return time.monotonic() > end

    def _chosen(self, layer: LayerState) -> Ints:
        known = self.kept.get(layer.layer)
        if known is not None:
            return known
        own = layer.phy2log()
        share = self._share_ends(next(self.waiting))
        most = self._most(layer)
        if self._is_over():
            ground = self._repaired(layer, most)
            return own if ground is None else ground.phy2log()
        ground = self._apart(layer, most, share) or self._own(layer)
        if self.instance.num_windows == 1:
            # Windows that are imagined are no reason to give up evenness of what was recorded.
            most = self._heaviest(layer, ground)
        cover = self._covers(layer, ground, most, share)
        if cover is not None:  # hardly any exchange keeps the limit there
            return cover
        maps = [ground.phy2log(), *self._others(layer, ground, most)]
        weight = self.instance.weight[layer.layer]
        row = least_harmful(
            ground.windows, layer.layer, weight, maps, most, self._is_over
        )
        if self.windows_apart is None:
            return row
        apart = fewer_repeats(
            weight[None],
            row[None],
            self.instance.num_ranks,
            nodes=self.instance.topology.num_pools,
            limits=np.array([most]),
        )
        return np.asarray(apart[0])

    def _own(self, layer: LayerState) -> Ground:
        """What the method found."""
        packings = {
            node_set: layer.pools[node_set].bracket.packing
            for node_set in layer.partition
        }
        return self._ground(layer, packings, distinct=self.instance.distinct)

    def _apart(self, layer: LayerState, most: float, end: float) -> Ground | None:
        """Packings within the limit without repeats, where only a sum was recorded; None if none is found."""
        if self.windows_apart is None:
            return None
        packings: Mapping[NodeSet, Packing] | None
        if self.refined_apart is None:
            packings = packed_apart(layer, most, self._until(end))
        else:
            row = self.refined_apart.phy2log[layer.layer]
            packings = dict(split(self.instance, row))
        if packings is None or not packings.keys() <= layer.pools.keys():
            return self._repaired(layer, most)
        ground = self._ground(layer, packings, distinct=True)
        if self._heaviest(layer, ground) <= most:
            return ground
        return self._repaired(layer, most)

    def _repaired(self, layer: LayerState, most: float) -> Ground | None:
        """What the method found without repeats, where exchanges within the limit do that."""
        if self.windows_apart is None:
            return None
        packings = repaired(layer, most)
        if packings is None:
            return None
        ground = self._ground(layer, packings, distinct=True)
        return ground if self._heaviest(layer, ground) <= most else None

    def _ground(
        self,
        layer: LayerState,
        packings: Mapping[NodeSet, Packing],
        *,
        distinct: bool,
    ) -> Ground:
        states = {node_set: layer.pools[node_set] for node_set in packings}
        windows = (
            self.windows_apart if distinct and self.windows_apart else self.windows
        )
        return Ground(
            windows,
            packings,
            {
                node_set: replace(state.pool, distinct=distinct)
                for node_set, state in states.items()
            },
            {node_set: state.experts for node_set, state in states.items()},
        )

    def _heaviest(self, layer: LayerState, ground: Ground) -> float:
        """Load of a layer's heaviest rank."""
        weight = self.instance.weight[layer.layer]
        return heaviest_load(weight, ground.phy2log(), self.instance.num_ranks)

    def _until(self, end: float) -> Limits:
        """Limits of a quarter of what is left until then."""
        if self.limits.seconds is None or math.isinf(end):
            return replace(self.limits, seconds=None)
        return self.limits.with_seconds(max((end - time.monotonic()) / 4, 0.0))

    def _most(self, layer: LayerState) -> float:
        """What the heaviest rank may have: as the gap allows, or where that is not reached, as it has."""
        own = layer.objective
        asked = layer.lower_bound * (1 + self.limits.gap)
        if own <= asked:
            most = asked
        elif self.searches:
            most = own
        else:
            most = max(own, layer.lower_bound * (1 + ROOM))
        return min(most, max(own, float(self.by_greedy[layer.layer])))

    def _share_ends(self, layers: int) -> float:
        """When a layer's share of the time ends, of so many whose choice has not ended."""
        if self.deadline is None:
            return math.inf
        now = time.monotonic()
        return now + (self.deadline - now) * min(self.limits.workers, layers) / layers

    def _covers(
        self, layer: LayerState, ground: Ground, most: float, end: float
    ) -> Ints | None:
        """The most even map over windows that covers give; None if that is the one there is."""
        is_asked = self.searches and _has_covers(self.instance)
        if not is_asked or not 0 < self._heaviest(layer, ground) <= most:
            return None
        packings = {
            node_set: self._cover(layer, ground, node_set, most, end)
            for node_set in ground.packings
        }
        is_own = all(
            packing is ground.packings[node_set]
            for node_set, packing in packings.items()
        )
        return None if is_own else ground.phy2log(packings)

    def _cover(
        self,
        layer: LayerState,
        ground: Ground,
        node_set: NodeSet,
        most: float,
        end: float,
    ) -> Packing:
        """A pool's."""
        pool = ground.over_windows(layer.layer, node_set)
        return least_cover(
            pool,
            ground.packings[node_set],
            by_greedy(pool).counts(pool),
            most=most,
            searches=COVERS // len(ground.packings),
            seed=self.limits.seed,
            is_over=lambda: self._is_after(end),
        )

    def _others(self, layer: LayerState, ground: Ground, most: float) -> Iterator[Ints]:
        """Other maps within the limit: with the counts of the greedy, and with counts near these, in turn."""
        is_asked = self.searches and _has_others(self.instance)
        if not is_asked or layer.objective > most or layer.is_open(self.limits.gap):
            return
        found = 0
        for number in range(OTHERS):
            if self._is_over() or (number == 2 and not found):
                return
            packings = self._packings(ground, most, number)
            if packings is not None:
                found += 1
                yield ground.phy2log(packings)

    def _packings(
        self, ground: Ground, most: float, number: int
    ) -> dict[NodeSet, Packing] | None:
        """Of every pool of a layer's partition another packing; None if one is too heavy."""
        found = {}
        for node_set, pool in ground.pools.items():
            packing = search_near(
                pool,
                by_greedy(pool),
                target=most,
                work=WORK * pool.slots,
                most_moves=number % 2,
                seed=self.limits.seed + number,
            )
            if packing.objective(pool) > most:
                return None
            found[node_set] = packing
        return found


def seconds_of_choice(instance: Instance, searches: bool) -> float:
    """About the most seconds of one core that the choice takes."""
    number = 1
    searching = 0.0
    if searches and _has_covers(instance):
        searching = COVERS * SECONDS_OF_COVER
    if searches and _has_others(instance):
        number += OTHERS
        searching += OTHERS * WORK * instance.num_replicas * SECONDS_OF_WORK
    # Each map is annealed twice, where the limit is not kept at first.
    of_layer = searching + 2 * number * _seconds_of_annealing(instance)
    return instance.num_layers * of_layer


def _seconds_of_annealing(instance: Instance) -> float:
    """Of one map."""
    return MOVES * max(ENOUGH, instance.num_windows) * SECONDS


def _has_covers(instance: Instance) -> bool:
    """Whether the contents of a rank may be few enough to be listed."""
    is_small = instance.slots_per_pool <= MOST_SLOTS
    return is_small and instance.slots_per_rank <= MOST_RANK_SLOTS


def _has_others(instance: Instance) -> bool:
    """Whether other maps than the method's are worth a search."""
    return FEWEST_SLOTS <= instance.slots_per_pool <= MOST_SLOTS
