"""Maps with spare replicas near the map in use, where the one that a rule has chosen is not spare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..moves.held import Bools, held_experts, slots_in_use
from ..moves.renaming import renamed
from ..moves.rule import MoveRule
from ..moves.slots import keep_slots
from ..moves.start import nearest_maps
from ..problem.placement import Placement
from ..problem.pool import Ints
from ..problem.spare import units_of
from .layer_map import Frame
from .lighten import lightened
from .maps import SpareMaps
from .mend import mended

ROUNDING = 1e-12  # relative, of objectives that were added in another order
# Further moves that searches may make, where a rule has no limit: shares of the slots.
FURTHER = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4)


@dataclass(frozen=True)
class _Choice:
    """A map of a layer, what it is worth and how many replicas move."""

    slots: Ints
    objective: float
    moves: int


def near(
    maps: SpareMaps,
    chosen: Placement,
    fresh: Placement,
    previous: Placement,
    rule: MoveRule,
    failed_ranks: Sequence[int] = (),
) -> Placement:
    """The chosen map, but in layers where it is not spare one that is, by the same rule as far as can be.

    Parameters
    ----------
    maps : SpareMaps
    chosen : Placement
        Valid; of `replanning.replanned`.
    fresh : Placement
        Valid and spare; the lightest that was found.
    previous : Placement
        The map in use.
    rule : MoveRule
        Where a spare map needs more moves than the rule allows, there are more.
    failed_ranks : sequence of int
        Ranks of ``previous`` that hold nothing any more.

    Returns
    -------
    Placement
        Valid and spare; experts that stay on their rank keep their slots.
    """
    instance = maps.instance
    lost = np.flatnonzero(~maps.is_spare(chosen))
    if not len(lost):
        return chosen
    before = slots_in_use(previous, instance, failed_ranks)
    starts, _ = nearest_maps(instance, before, fresh.phy2log)
    rows = chosen.phy2log.copy()
    for layer in lost.tolist():
        search = _Layer(maps, layer, before[layer], rule)
        best = search.best(starts[layer], fresh.phy2log[layer])
        kept = keep_slots(best.slots[None], before[[layer]])
        rows[layer] = kept.ravel()
    return Placement(rows, instance.num_experts, chosen.layer_ids)


class _Layer:
    """The search for a spare map of one layer near the one in use."""

    def __init__(
        self, maps: SpareMaps, layer: int, before: Ints, rule: MoveRule
    ) -> None:
        self.maps = maps
        self.layer = layer
        self.before = before
        self.rule = rule
        self.instance = maps.instance
        self.held: Bools = held_experts(before[None], self.instance.num_experts)[0]
        self.limit = rule.most_moves(self.instance.num_replicas)

    def best(self, start: Ints, fresh: Ints) -> _Choice:
        """The best map by the rule, of those near the map in use and the fresh one, renamed."""
        part = self.instance.select([self.layer])
        nodes = part.num_nodes if self.maps.spare == "node" else None
        named = renamed(fresh[None], self.before[None], part, nodes)
        far = self._choice(self._by_rank(named))
        if self.rule.renames_only:
            return far
        frame = Frame.of(self.instance, self.layer, self.maps.spare, self.held)
        mend = mended(frame, self._by_rank(start))
        if mend is None:
            return far
        most = far.objective * (1 + (self.rule.slack or 0.0)) * (1 + ROUNDING)
        choices = [far]
        for limit in self._limits(self._choice(mend).moves):
            choices.append(self._lighter(mend, limit))
            if self.rule.move_price is None and choices[-1].objective <= most:
                break
        return min(choices, key=lambda choice: self._key(choice, most))

    def _limits(self, moves: int) -> list[int]:
        """Limits on moves, one after the other, for a start that has so many."""
        if self.limit is not None:
            return [max(self.limit, moves)]
        slots = self.instance.num_replicas
        return [moves + int(share * slots) for share in FURTHER]

    def _lighter(self, slots: Ints, limit: int) -> _Choice:
        units = units_of(self.instance, self.maps.spare)
        found = lightened(self.instance, self.layer, slots, units, self.held, limit)
        return self._choice(found)

    def _key(self, choice: _Choice, most: float) -> tuple[float, ...]:
        """What the rule looks at, first things first; less is better."""
        limit = choice.moves if self.limit is None else self.limit
        too_many = float(max(choice.moves - limit, 0))
        if self.rule.move_price is not None:
            mean = float(self.instance.mean[self.layer])
            price = self.rule.move_price * mean * choice.moves
            return too_many, choice.objective + price, choice.moves
        objective = choice.objective
        return too_many, max(objective, most), choice.moves, objective

    def _choice(self, slots: Ints) -> _Choice:
        stays = np.take_along_axis(self.held, slots, axis=1)
        objective = self.maps.objective(self.layer, slots)
        return _Choice(slots, objective, int((~stays).sum()))

    def _by_rank(self, row: Ints) -> Ints:
        return row.reshape(self.instance.num_ranks, -1)
