"""Which replicas move from one map to another."""

from __future__ import annotations

import numpy as np
import pytest

from eplb_opt import Instance, InstanceError, Placement
from eplb_opt.moves.held import moves, slots_in_use

LOADS = [[8.0, 3.0, 1.0]]
INSTANCE = Instance(LOADS, num_replicas=4, num_ranks=2)


def placed(*row, **others):
    return Placement([list(row)], 3, **others)


@pytest.mark.parametrize(
    ("now", "before", "moved"),
    [
        ((0, 1, 0, 2), (0, 1, 0, 2), 0),
        ((1, 0, 2, 0), (0, 1, 0, 2), 0),  # slots of a rank are alike
        ((0, 0, 1, 2), (0, 1, 0, 2), 1),  # a second replica beside the first is a copy on the GPU itself
        ((0, 2, 0, 1), (0, 1, 0, 2), 2),
        ((0, 2, 0, 1), (0, 1, 0, -1), 2),
        ((0, 1, 0, 2), (-1, -1, -1, -1), 4),
        ((0, 1, 0, 2), (0, 1), 2),  # one rank more
        ((0, 1, 0, 2), (0, 1, 0, 2, 0, 1), 0),  # one rank less
        ((0, 1, 0, 2), (0, 1, 0), 1),
    ],
)
def test_moves_by_hand(now, before, moved):
    assert moves(placed(*now), placed(*before), INSTANCE).tolist() == [moved]


def test_a_map_may_say_its_ranks():
    previous = placed(0, 1, 0, 0, 2, 1, num_ranks=2)
    assert slots_in_use(previous, INSTANCE).tolist() == [[[0, 1, 0], [0, 2, 1]]]
    assert moves(placed(0, 1, 1, 2), previous, INSTANCE).tolist() == [0]


def test_layers_are_found_by_their_id():
    instance = Instance(np.vstack([LOADS, LOADS]), 4, num_ranks=2, layer_ids=[7, 3])
    previous = Placement([[0, 1, 0, 2], [0, 0, 1, 2]], 3, (3, 7))
    now = Placement([[0, 0, 1, 2], [0, 1, 0, 2]], 3, (7, 3))
    assert moves(now, previous, instance).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("previous", "told"),
    [
        (Placement([[0, 1, 2, 3]], 4), "of 4 experts"),
        (Placement([[0, 1, 0, 2]], 3, (5,)), "no layer 0"),
    ],
)
def test_of_another_model(previous, told):
    with pytest.raises(InstanceError, match=told):
        moves(placed(0, 1, 0, 2), previous, INSTANCE)


@pytest.mark.parametrize("ranks", [3, 0, -1, "two"])
def test_ranks_that_do_not_divide_the_slots(ranks):
    with pytest.raises(InstanceError, match="num_ranks"):
        placed(0, 1, 0, 2, num_ranks=ranks)
