"""From the map in use to the next one: a method's map renamed, or as few replicas moved as a rule allows.

Every layer chooses among what it has, what it has repaired, and the method's map renamed; the choice follows from the
loads and the map in use alone, so that it is the same in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .heuristics.greedy_check import simple_bound
from .moves.held import Bools, held_experts, moved_replicas, slots_in_use
from .moves.near_bound import FAR, ROUNDING, near_bound, some_layers
from .moves.node_pools import repaired_rows
from .moves.renaming import renamed
from .moves.repair import FEW_SLOTS
from .moves.rule import MoveRule
from .moves.slots import keep_slots
from .moves.start import nearest_maps
from .packages import is_usable
from .problem.instance import Instance
from .problem.objective import Objective
from .problem.placement import Placement
from .problem.pool import Floats, Ints

Place = Callable[[Instance], Placement]

# Where moves are limited: how far from the method's objective to what is there a search is asked to go.
PARTS = (0.0, 0.5, 0.25, 0.75)
# Where moves have a price: how far above the method's objective searches are asked to go.
SLACKS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def replanned(
    instance: Instance,
    placement: Placement | Place,
    previous: Placement,
    rule: MoveRule,
    *,
    failed_ranks: Sequence[int] = (),
    searches: int = 1,
    workers: int = 1,
) -> Placement:
    """A method's placement, or one near the map in use, as the rule says.

    Without numba ranks are renamed, and layers keep their map or take the method's.

    Parameters
    ----------
    instance : Instance
    placement : Placement, or a function of an instance that returns one
        Valid, what the method finds without the map in use. A function is called with the layers in which that has to
        be known, if there are any; the result is the same.
    previous : Placement
        The map in use; see `moves.held.slots_in_use`.
    rule : MoveRule
    failed_ranks : sequence of int
        Ranks of ``previous`` that hold nothing any more.
    searches : int, default 1
        How many searches are made from the map in use, see `moves.repair.repaired`.
    workers : int, default 1
        Threads, of plans over windows.

    Returns
    -------
    Placement
        Valid; experts that stay on their rank keep their slots.

    Raises
    ------
    InstanceError
        ``previous`` is of another model.

    Examples
    --------
    >>> from eplb_opt import Instance, Placement
    >>> instance = Instance([[8, 3, 1]], num_replicas=4, num_ranks=2)
    >>> previous = Placement([[0, 1, 0, 2]], num_experts=3)
    >>> replanned(instance, Placement([[2, 0, 1, 0]], 3), previous, MoveRule(slack=0.1)).phy2log.tolist()
    [[0, 1, 0, 2]]
    """
    before = slots_in_use(previous, instance, failed_ranks)
    held = held_experts(before, instance.num_experts)
    rows = np.empty((instance.num_layers, instance.num_replicas), dtype=np.int64)
    done = np.arange(0)
    if _may_do_without(instance, rule):
        bound = simple_bound(instance)
        done, near = near_bound(instance, before, held, bound, rule, searches)
    if len(done):
        by_rank = near.reshape(len(done), instance.num_ranks, -1)
        rows[done] = keep_slots(by_rank, before[done]).reshape(near.shape)
    rest = np.delete(np.arange(instance.num_layers), done)
    if len(rest):
        part = some_layers(instance, rest)
        search = _Search(part, held[rest], searches, workers)
        fresh = _fresh(part, placement, rest)
        choice = _Choice(part, fresh, before[rest], held[rest], rule)
        rows[rest] = _chosen(choice, search)
    return Placement(rows, instance.num_experts, tuple(instance.layer_ids or ()))


def _may_do_without(instance: Instance, rule: MoveRule) -> bool:
    """Whether layers may be planned near the map in use without a look at the method's plan."""
    is_by_slack = rule.slack is not None and rule.max_moves is None
    is_plain = instance.objective.adds_windows and not instance.is_of_sizes
    # In smaller ones a method's plan may end further above the bound, so that fewer moves are within the slack of it.
    is_large = instance.slots_per_pool > FEW_SLOTS
    return is_by_slack and is_plain and is_large and is_usable("numba")


def _fresh(part: Instance, placement: Placement | Place, layers: Ints) -> Placement:
    """The method's plan of some layers, which are an instance of their own."""
    if not isinstance(placement, Placement):
        return placement(part)
    ids = tuple(part.layer_ids or ())
    return Placement(placement.phy2log[layers], placement.num_experts, ids)


def _chosen(choice: _Choice, search: _Search) -> Ints:
    """The map of each layer, by the rule."""
    if choice.rule.renames_only:
        choice.rename()
    else:
        _look_near(choice, search)
    return choice.rows()


def _look_near(choice: _Choice, search: _Search) -> None:
    """Let every layer choose among maps near the one in use, and the method's."""
    for aims in choice.aims():
        layers = choice.open_layers()
        if not len(layers) or not is_usable("numba"):
            break
        found = search.near(
            layers, choice.start.rows[layers], aims[layers], choice.limit
        )
        choice.offer(choice.maps(found, layers), layers)
    layers = choice.open_layers(also=choice.is_far())
    if len(layers):
        choice.offer(choice.renamed(layers), layers)


@dataclass(frozen=True)
class _Maps:
    """A map for each of some layers, what it is worth and how many replicas move."""

    rows: Ints
    objective: Floats
    moves: Ints

    def take(self, layers: Ints) -> _Maps:
        """Those of some layers."""
        return _Maps(self.rows[layers], self.objective[layers], self.moves[layers])

    def put(self, layers: Ints, other: _Maps) -> None:
        """Have the other maps in some layers."""
        self.rows[layers] = other.rows
        self.objective[layers] = other.objective
        self.moves[layers] = other.moves


class _Search:
    """Maps near the one in use."""

    def __init__(
        self, instance: Instance, held: Bools, searches: int, workers: int
    ) -> None:
        self.instance = instance
        self.held = held
        self.searches = searches
        self.workers = workers

    def near(self, layers: Ints, rows: Ints, aims: Floats, limit: int | None) -> Ints:
        """Maps of some layers whose objectives are at most so much, or as little as found, with few moves."""
        part = some_layers(self.instance, layers)
        held = self.held[layers]
        if self.instance.objective.adds_windows:
            return repaired_rows(part, rows, held, aims, limit, searches=self.searches)
        from .foresight.near import near_windows

        return near_windows(part, rows, held, aims, limit, workers=self.workers)


class _Choice:
    """What the layers have chosen so far, and by which rule."""

    def __init__(
        self,
        instance: Instance,
        placement: Placement,
        before: Ints,
        held: Bools,
        rule: MoveRule,
    ) -> None:
        self.instance = instance
        self.before = before
        self.rule = rule
        self.held = held
        self.fresh = placement.phy2log
        self.of_method = placement.objective(instance)
        self.limit = rule.most_moves(instance.num_replicas)
        rows, self.is_valid = nearest_maps(instance, before, self.fresh)
        self.start = self.maps(rows, np.arange(len(rows)))
        self.best = self.start.take(np.arange(len(rows)))

    def maps(self, rows: Ints, layers: Ints) -> _Maps:
        """What maps of some layers are worth."""
        part = some_layers(self.instance, layers)
        ids = tuple(part.layer_ids or ())
        objective = Placement(rows, part.num_experts, ids).objective(part)
        by_rank = rows.reshape(len(rows), self.instance.num_ranks, -1)
        return _Maps(rows, objective, moved_replicas(by_rank, self.held[layers]))

    def renamed(self, layers: Ints | None = None) -> _Maps:
        """The method's maps, with ranks renamed."""
        layers = np.arange(len(self.fresh)) if layers is None else layers
        rows = renamed(self.fresh[layers], self.before[layers], self.instance)
        return self.maps(rows, layers)

    def rename(self) -> None:
        """Have the method's maps, with ranks renamed, but where the map in use is as good."""
        every = self.renamed()
        layers = np.flatnonzero(~self.is_valid)
        self.best.put(layers, every.take(layers))
        self.offer(every)

    def aims(self) -> Iterable[Floats]:
        """The objectives, [layers], that searches are asked for, one after the other."""
        if self.rule.slack is not None:
            yield self._most()
        elif self.rule.move_price is not None:
            for slack in SLACKS:
                yield self.of_method * (1 + slack)
        else:
            for part in PARTS:
                further = np.maximum(self.best.objective - self.of_method, 0)
                yield self.of_method + part * further

    def open_layers(self, also: Bools | bool = False) -> Ints:
        """Layers in which another map may be better by the rule, and others that are to be looked at, too."""
        is_good = self.instance.mean <= 0
        if self.rule.move_price is None:
            is_light = self.best.objective <= self._most()
            is_good |= is_light & self._is_within(self.best)
        return np.flatnonzero(~is_good | also)

    def is_far(self) -> Bools:
        """Layers so far from the map in use that the method's own map may be nearer, [layers]."""
        slots = self.instance.num_replicas
        return ~self.is_valid | (self.best.moves > slots * FAR)

    def offer(self, other: _Maps, layers: Ints | None = None) -> None:
        """Take maps of some layers where they are better by the rule."""
        layers = np.arange(len(self.fresh)) if layers is None else layers
        best = self.best.take(layers)
        takes = np.zeros(len(layers), dtype=np.bool_)
        is_equal = np.ones(len(layers), dtype=np.bool_)
        for ours, theirs in zip(
            self._keys(best, layers), self._keys(other, layers), strict=True
        ):
            takes |= is_equal & (theirs < ours)
            is_equal &= theirs == ours
        self.best.put(layers[takes], other.take(np.flatnonzero(takes)))

    def _keys(self, maps: _Maps, layers: Ints) -> list[Floats]:
        """What the rule looks at, first things first; less is better."""
        excess = maps.moves - (maps.moves if self.limit is None else self.limit)
        too_many = np.maximum(excess, 0).astype(np.float64)
        moves = maps.moves.astype(np.float64)
        # What is better than asked for is worth no move.
        objective = np.maximum(maps.objective, self._most()[layers])
        if self.rule.move_price is not None:
            price = self.rule.move_price * self.instance.mean[layers]
            objective = objective + price * moves
        return [too_many, objective, moves, maps.objective]

    def _most(self) -> Floats:
        """The objective up to which fewer moves count for more, [layers]."""
        return self.of_method * (1 + (self.rule.slack or 0.0)) * (1 + ROUNDING)

    def _is_within(self, maps: _Maps) -> Bools:
        return maps.moves <= (np.inf if self.limit is None else self.limit)

    def rows(self) -> Ints:
        """The chosen maps; a layer that gains too little keeps its own."""
        gain = self.start.objective - self.best.objective
        too_little = gain < self.rule.min_gain * self.start.objective
        kept = np.flatnonzero(self.is_valid & too_little)
        self.best.put(kept, self.start.take(kept))
        layers, ranks = self.before.shape[:2]
        by_rank = self.best.rows.reshape(layers, ranks, -1)
        return keep_slots(by_rank, self.before).reshape(layers, -1)


def compile_kernels() -> None:
    """Compile what plans from a map in use call: some seconds once on a machine, less in later processes."""
    loads = np.arange(1.0, 15.0).reshape(2, 1, 7)
    previous = Placement(np.array([[0, 1, 2, 3, 4, 5, 6, 0]]), 7)
    fresh = Placement(np.array([[6, 5, 4, 3, 2, 1, 0, 6]]), 7)
    for across in ("sum", "mean"):
        instance = Instance(loads, 8, num_ranks=2, objective=Objective(across))
        replanned(instance, fresh, previous, MoveRule(max_moves=4))
