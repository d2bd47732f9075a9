"""The benchmark of what moves: how maps follow each other, and that the page is made of the results."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks import moves, moves_page
from benchmarks.history import Trace
from benchmarks.moves_played import Plans
from benchmarks.moves_traces import noise, walk
from benchmarks.peers import REPLANNERS, PeerMissingError
from benchmarks.store import read_lines
from eplb_opt import Instance, Placement
from eplb_opt.heuristics.refine import refined
from eplb_opt.moves.held import moves as moved
from eplb_opt.moves.rule import MoveRule
from eplb_opt.replanning import replanned


@pytest.fixture
def trace():
    load = np.random.default_rng(0).lognormal(4, 1, (4, 2, 12)).round()
    return Trace("noise", load, 16, 4)


def test_maps_follow_each_other(trace):
    plans = Plans(trace)
    rule = MoveRule(max_moves=3)
    found = plans.along(plans.by(rule))
    instances = [Instance(load, 16, num_ranks=4) for load in trace.load]
    old = refined(instances[0])
    rows = []
    for call in (1, 2):
        new = replanned(instances[call], refined(instances[call]), old, rule)
        rows.append((moved(new, old, instances[call]), new.window_imbalance(instances[call + 1])[0]))
        old = new
    np.testing.assert_array_equal(found.moves, np.mean([row[0] for row in rows], axis=0))
    np.testing.assert_allclose(found.following, np.mean([row[1] for row in rows], axis=0))
    assert found.moves.max() <= 3
    assert (found.renamed <= found.moves).all()


def test_one_step_starts_from_the_fresh_plan(trace):
    plans = Plans(trace)
    seen = []

    def keep(call, old):
        seen.append((call, old))
        return old

    found = plans.one_step(keep)
    assert [call for call, _ in seen] == [1, 2]
    assert all(old is plans.fresh[call - 1] for call, old in seen)
    assert not found.moves.any()
    assert found.kept.tolist() == [1.0, 1.0]
    figures = found.figures(plans.one_step(plans.anew), 16)
    assert figures["moves"] == figures["share"] == 0.0
    fresh = plans.along(plans.anew)
    assert fresh.figures(fresh, 16)["next_over_fresh"] == fresh.figures(fresh, 16)["error"] == 0.0


def test_plans_over_windows_see_the_last_ones(trace):
    plans = Plans(trace, history=2, first=1)
    assert list(plans.calls) == [1, 2]
    np.testing.assert_array_equal(plans.seen(2).load, trace.load[1:3])
    np.testing.assert_array_equal(plans.following(2).load, trace.load[3:4])


@pytest.mark.parametrize("name", REPLANNERS)
def test_peers_get_the_map_in_use(name, trace):
    try:
        place = REPLANNERS[name].load()
    except PeerMissingError as error:
        pytest.skip(str(error))
    plans = Plans(trace)
    step = plans.of_peer(place)
    old = Placement(np.tile(np.arange(16) % 12, (2, 1)), 12)
    new = step(1, old)
    new.require_valid(plans.seen(1))
    # From another map it is another one that is near that.
    other = Placement(old.phy2log[:, ::-1].copy(), 12)
    assert moved(step(1, other), other, plans.seen(1)).sum() <= moved(new, other, plans.seen(1)).sum()


def test_a_line_has_every_row(trace):
    found = moves.frontier(trace)
    assert list(found["rows"]) == ["0", "8", "all"]
    assert found["replans"] == 2
    assert found["rows"]["0"]["moves"] == 0.0
    planned = {name: row["planned"] for name, row in found["rows"].items()}
    assert planned["0"] > max(planned["8"], planned["all"])


def logarithms(load):
    logs = np.log(load)
    return logs - logs.mean(axis=2, keepdims=True)


def test_loads_with_noise_do_not_drift():
    logs = logarithms(noise(0.9))
    with_first = [np.corrcoef(logs[0].ravel(), other.ravel())[0, 1] for other in logs[1:]]
    assert 0.85 < min(with_first) < max(with_first) < 0.95


def test_loads_that_walk():
    logs = logarithms(walk(0.9))
    near = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in itertools.pairwise(logs)]
    assert min(near) > 0.85
    assert np.corrcoef(logs[0].ravel(), logs[-1].ravel())[0, 1] < 0.5


def test_the_page_is_made_of_the_results():
    assert moves_page.PAGE.read_text() == moves_page.page(read_lines(moves_page.RESULTS))


def test_times_are_of_plans_with_and_without_a_map(trace):
    line = moves.timed(Plans(trace))
    assert line["moved"] > line["anew"] > 0
    shown = moves_page.times([line | dict.fromkeys(("commit", "date", "cpu", "cores"), "x")])
    assert f"{line['moved'] / line['anew']:.2f} |" in shown
