"""A repr is one line: shapes instead of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from eplb_opt import Instance, solve
from eplb_opt.problem.pool import Packing, Pool

INSTANCE = Instance(
    np.arange(1, 58 * 256 + 1).reshape(58, 256), 288, num_groups=8, num_nodes=4, num_ranks=32, distinct=True
)
RESULT = solve(INSTANCE, "greedy")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            INSTANCE,
            "Instance(load=[1, 58, 256], num_replicas=288, num_ranks=32, num_groups=8, num_nodes=4, distinct=True)",
        ),
        (RESULT.placement, "Placement(phy2log=[58, 288], num_experts=256)"),
        (Pool(np.ones(256), 288, 32), "Pool(loads=[256], slots=288, ranks=32)"),
        (Pool(np.ones(4), 6, 3, distinct=True), "Pool(loads=[4], slots=6, ranks=3, distinct=True)"),
        (Packing(np.zeros((32, 9), dtype=np.int64)), "Packing(experts=[32, 9])"),
    ],
)
def test_a_repr_shows_shapes(value, text):
    assert repr(value) == text


def test_the_repr_of_a_result_is_its_totals():
    assert "\n" not in repr(RESULT)
    assert repr(RESULT).startswith("Result(method='greedy', layers=58, optimal=")
    assert len(repr(RESULT)) < 120
