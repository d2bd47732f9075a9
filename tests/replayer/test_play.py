"""`replay` as a whole: what is judged, on which windows, the same in every run; policies from outside."""

from __future__ import annotations

import numpy as np
import pytest

import eplb_opt
from eplb_opt import Instance, InstanceError, OptionError, PolicyError, replay
from eplb_opt.heuristics.greedy import greedy

from ..conftest import recorded

FAST = ["contiguous", "greedy", "refined", "refined-windows", "own"]


def windows(count=12, layers=2, experts=8, seed=0):
    return np.random.default_rng(seed).integers(1, 100, (count, layers, experts)).astype(float)


def timeless(report):
    """A report without the only figures that differ from run to run."""
    rows = [row | {"plan_seconds": None} for row in report["outcomes"]]
    return report | {"outcomes": rows}


def test_the_name_is_the_function_whatever_is_imported():
    import eplb_opt.replayer.play

    assert eplb_opt.replay is eplb_opt.replayer.play.replay
    assert callable(replay)


def test_outcomes_are_what_the_maps_were_worth():
    load = windows()
    found = replay(load, 12, num_ranks=4, history=3, interval=4, policies=["greedy"])
    assert found.served == tuple(range(3, 12))
    outcome = next(outcome for outcome in found.outcomes if outcome.interval == 4)
    expected = []
    for time in (3, 7, 11):
        placement = greedy(Instance(load[time - 3 : time], 12, num_ranks=4))
        served = Instance(load[time : time + 4], 12, num_ranks=4)
        expected.append(placement.window_imbalance(served))
    np.testing.assert_allclose(outcome.imbalance, np.concatenate(expected))
    assert outcome.plans == 3


@pytest.mark.parametrize("policies", [FAST])
def test_later_windows_change_nothing_before(policies):
    load = windows()
    changed = load.copy()
    changed[8:] = windows(seed=1)[8:]
    options = {"num_ranks": 4, "history": 4, "interval": 2, "policies": policies}
    one, other = (replay(given, 12, **options) for given in (load, changed))
    for before, after in zip(one.outcomes, other.outcomes, strict=True):
        np.testing.assert_array_equal(before.imbalance[:4], after.imbalance[:4])
        assert (before.imbalance[4:] != after.imbalance[4:]).any()


def test_the_same_in_every_run():
    options = {"num_ranks": 4, "policies": FAST, "tokens_per_step": 64}
    one, other = (replay(windows(), [12, 16], **options).to_dict() for _ in range(2))
    assert timeless(one) == timeless(other)


def test_labels():
    load = windows(6)
    loads = eplb_opt.formats.Loads(load, None, ("code", "code", "math", "math", "chat", "math"))
    found = replay(loads, 12, num_ranks=4, train=["code"], test=["math"], policies=["greedy", "own"])
    assert found.served == (2, 3, 5)
    outcome = found.outcomes[0]
    placement = greedy(Instance(load[:2], 12, num_ranks=4))
    expected = placement.window_imbalance(Instance(load[[2, 3, 5]], 12, num_ranks=4))
    np.testing.assert_allclose(outcome.imbalance, expected)
    report = found.to_dict()
    assert (report["train"], report["test"], report["history"]) == (["code"], ["math"], None)


def test_parts_add_up():
    found = replay(windows(), 12, num_ranks=4, interval=2, policies=FAST, tokens_per_step=32, top_k=2)
    shown = [row for row in found.to_dict()["outcomes"] if row["shown"]]
    assert [row["policy"] for row in shown] == FAST
    for row in shown:
        parts = row["parts"]
        assert 1 + parts["map"] + parts["drift"] == pytest.approx(row["imbalance_mean"])
        assert 0 <= parts["sampling_lower"] <= parts["sampling"] + 5 * parts["sampling_error"]
        assert parts["sampling"] - 5 * parts["sampling_error"] <= parts["sampling_upper"]
    assert all(row["parts"] is None for row in found.to_dict()["outcomes"] if not row["shown"])


def test_numbers_of_replicas_are_compared():
    found = replay(windows(), [16, 12, 12], num_ranks=4, policies=["greedy"], interval=3)
    assert [(o.replicas, o.interval) for o in found.outcomes] == [(12, None), (12, 3), (16, None), (16, 3)]
    assert found.advice.replicas in (12, 16)


def round_robin(weight, num_replicas, num_groups, num_nodes, num_ranks):
    layers, experts = weight.shape
    return np.tile(np.arange(num_replicas) % experts, (layers, 1))


def of_windows(weight, num_replicas, num_groups, num_nodes, num_ranks):
    """A policy that plans for the last window that it is given."""
    instance = Instance(weight[-1].numpy(), num_replicas, num_ranks=num_ranks)
    return greedy(instance).phy2log


of_windows.takes_windows = True


def broken(weight, *_):
    raise RuntimeError("no map today")


def test_policies_from_outside():
    names = [f"{__name__}:round_robin", "contiguous"]
    found = replay(windows(), 12, num_ranks=4, policies=names)
    outside, ours = (found.outcomes[: len(found.outcomes) // 2], found.outcomes[len(found.outcomes) // 2 :])
    for one, other in zip(outside, ours, strict=True):
        assert one.policy == names[0]
        np.testing.assert_array_equal(one.imbalance, other.imbalance)
    with pytest.raises(PolicyError, match="no map today"):
        replay(windows(), 12, num_ranks=4, policies=[f"{__name__}:broken"])


def test_policies_from_outside_may_take_windows():
    load = windows()
    found = replay(load, 12, num_ranks=4, history=3, interval=1, policies=[f"{__name__}:of_windows"])
    last = replay(load[2:], 12, num_ranks=4, history=1, interval=1, policies=["greedy"])
    np.testing.assert_array_equal(found.outcomes[1].imbalance, last.outcomes[1].imbalance)


def stays(weight, num_replicas, num_groups, num_nodes, num_ranks, old_global_expert_indices=None):
    """A policy that keeps the map in use."""
    if old_global_expert_indices is not None:
        return old_global_expert_indices
    return greedy(Instance(weight, num_replicas, num_ranks=num_ranks)).phy2log


def test_policies_from_outside_may_look_at_the_map_in_use():
    load = windows()
    found = replay(load, 12, num_ranks=4, history=3, interval=2, policies=[f"{__name__}:stays", "greedy"])
    never, kept = found.outcomes[:2]
    assert (never.interval, kept.interval) == (None, 2)
    np.testing.assert_array_equal(kept.imbalance, never.imbalance)
    assert (kept.plans, kept.moves_mean) == (5, 0.0)
    assert found.outcomes[3].moves_mean > 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_replicas": 13}, InstanceError, "num_replicas=13 is not a multiple"),
        ({"num_replicas": []}, InstanceError, r"num_replicas=\[\]: give a number"),
        ({"window": 0}, OptionError, "window=0: give an integer >= 1"),
        ({"history": 1.5}, OptionError, "history=1.5: give an integer >= 1"),
        ({"interval": True}, OptionError, "interval=True: give an integer >= 1"),
        ({"tokens_per_step": 0}, OptionError, "tokens_per_step=0: give an integer"),
        ({"top_k": 0}, OptionError, "top_k=0: give an integer"),
        ({"policies": []}, OptionError, "give one beside own"),
    ],
)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        replay(windows(), **({"num_replicas": 12, "num_ranks": 4, "policies": ["greedy"]} | options))


def test_progress_and_repr():
    calls = []
    found = replay(windows(), 12, num_ranks=4, policies=["greedy", "own"], progress=lambda *c: calls.append(c))
    assert calls == [(1, 2), (2, 2)]
    assert repr(found).startswith("Replay(outcomes=")


def test_who_plays_is_told_before_it_has_played():
    told = []

    class Listening:
        def __call__(self, *counts):
            told.append(counts)

        def plays(self, name):
            told.append(name)

    replay(windows(), [12, 16], num_ranks=4, policies=["greedy"], progress=Listening())
    assert told == ["greedy with 12 replicas", (1, 2), "greedy with 16 replicas", (2, 2)]


@pytest.mark.recorded
def test_windows_are_worth_planning_for():
    """Of the recorded tasks in turn: plans over windows beat the greedy's, and no plan beats each window's own."""
    found = replay(recorded("deepseek_v2_lite_windows")[:, :4], 72, num_ranks=8, interval=2, policies=FAST)
    mean = {o.policy: o.mean for o in found.outcomes if o.interval == 2}
    assert mean["own"] < mean["refined-windows"] < mean["greedy"] < mean["contiguous"]
    assert found.advice.policy == "refined-windows"
    assert found.advice.interval == 2
    assert found.advice.is_held_out
