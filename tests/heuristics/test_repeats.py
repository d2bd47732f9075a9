"""Two replicas of an expert on one rank: gone where no rank has to be heavier for that, to the same bits everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eplb_opt import Instance, Limits, solve
from eplb_opt.apart import has_repeats
from eplb_opt.heuristics import refine
from eplb_opt.heuristics.greedy_check import heaviest_load
from eplb_opt.heuristics.refine import refined
from eplb_opt.heuristics.repeats import choices, fewer_repeats
from eplb_opt.problem.pool import Packing

from ..conftest import recorded

MODES = {"global": {}, "nodes": {"num_groups": 8, "num_nodes": 4}}


def repeats(phy2log: np.ndarray, ranks: int) -> np.ndarray:
    """Of each layer, how many replicas are on a rank that has their expert already."""
    ordered = np.sort(phy2log.reshape(len(phy2log), ranks, -1), axis=2)
    return (ordered[:, :, 1:] == ordered[:, :, :-1]).sum(axis=(1, 2))


@st.composite
def maps(draw):
    """Loads and any valid maps, nodes with experts of their own."""
    nodes = draw(st.sampled_from([1, 1, 2]))
    ranks = draw(st.integers(2, 6))
    experts = draw(st.integers(1, 20))
    slots = ranks * (-(-experts // ranks) + draw(st.integers(0, 3)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    placed = np.empty((2, nodes, slots), dtype=np.int64)
    for layer, node in np.ndindex(2, nodes):
        more = random.integers(0, experts, slots - experts)
        of_node = random.permutation(np.concatenate([np.arange(experts), more]))
        placed[layer, node] = of_node + node * experts
    kind = draw(st.sampled_from(["lognormal", "ints", "constant"]))
    shape = (2, nodes * experts)
    loads = {
        "lognormal": random.lognormal(0, 1, shape), "ints": random.integers(0, 5, shape), "constant": np.ones(shape),
    }[kind]  # fmt: skip
    return loads.astype(np.float64), placed.reshape(2, -1), nodes * ranks, nodes


@settings(max_examples=300, deadline=None)
@given(maps())
def test_replicas_change_ranks_and_no_rank_gets_heavier_than_the_heaviest(arguments):
    loads, placed, ranks, nodes = arguments
    found = fewer_repeats(loads, placed, ranks, nodes=nodes, compiled=False)
    by_node = (2 * nodes, -1)
    np.testing.assert_array_equal(np.sort(found.reshape(by_node)), np.sort(placed.reshape(by_node)))
    assert (repeats(found, ranks) <= repeats(placed, ranks)).all()
    before = heaviest_load(loads, placed, ranks)
    assert (heaviest_load(loads, found, ranks) <= before * (1 + 1e-12)).all()


@settings(max_examples=300, deadline=None)
@given(maps(), st.sampled_from([None, 1.01, 1.5]))
def test_compiled_code_gives_the_same_bits(arguments, room):
    pytest.importorskip("numba")
    loads, placed, ranks, nodes = arguments
    limits = None if room is None else room * heaviest_load(loads, placed, ranks)
    found = [
        fewer_repeats(loads, placed, ranks, nodes=nodes, limits=limits, compiled=compiled) for compiled in (True, False)
    ]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("number", "loads", "placed"),
    [
        (1, [3, 3, 1, 1], [[0, 0, 2], [1, 1, 3]]),
        # 4 + 1 for 2 + 3: no single exchange keeps the heaviest rank at 9.
        (2, [8, 1, 2, 3, 4], [[0, 0, 1], [2, 3, 4]]),
    ],
)
def test_a_repetition_is_exchanged_away(number, loads, placed):
    placed = np.array(placed).reshape(1, -1)
    loads = np.array([loads], dtype=np.float64)
    found = fewer_repeats(loads, placed, 2, compiled=False)
    assert repeats(placed, 2)[0] > 0
    assert repeats(found, 2)[0] == 0
    assert heaviest_load(loads, found, 2)[0] == heaviest_load(loads, placed, 2)[0]
    assert len(choices(3)) >= number


def test_what_the_objective_needs_stays():
    loads = np.array([[4.0, 1.0, 3.0, 1.0]])
    placed = np.array([[0, 0, 3, 1, 2, 3]])  # 4.5 and 4.5; apart 5.5
    np.testing.assert_array_equal(fewer_repeats(loads, placed, 2, compiled=False), placed)
    assert not repeats(fewer_repeats(loads, placed, 2, limits=np.array([5.5]), compiled=False), 2).any()


def test_an_expert_that_is_on_every_rank_stays():
    loads = np.array([[9.0, 1.0]])
    placed = np.array([[0, 0, 0, 0, 0, 1]])
    for compiled in (False, True):
        np.testing.assert_array_equal(fewer_repeats(loads, placed, 2, compiled=compiled), placed)


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("mode", MODES)
def test_recorded_loads_have_no_repeats_at_the_same_objective(monkeypatch, window, mode):
    load = recorded("deepseek_v3")[window]
    instance = Instance(load, 288, num_ranks=32, **MODES[mode])
    found = refined(instance)
    monkeypatch.setattr(refine, "fewer_repeats", lambda _, placed, *__, **___: placed)
    before = refined(instance)
    assert repeats(before.phy2log, 32).sum() > 5
    assert repeats(found.phy2log, 32).sum() == 0
    assert (found.objective(instance) <= before.objective(instance) * (1 + 1e-15)).all()


@pytest.mark.parametrize("mode", MODES)
def test_solve_has_no_repeats_where_its_method_is_refined(mode):
    instance = Instance(recorded("deepseek_v3")[0], 288, num_ranks=32, **MODES[mode])
    result = solve(instance, "refined", Limits(seconds=60))
    assert repeats(result.placement.phy2log, 32).sum() == 0


def test_a_packing_says_whether_it_has_repeats():
    assert has_repeats(Packing(np.array([[0, 1, 0], [1, 2, 3]])))
    assert not has_repeats(Packing(np.array([[0, 1, 2], [1, 2, 3]])))
