"""The registry of methods: who reads it, and what adding to it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from eplb_opt import POLICIES, Limits, OptionError, Placement, StopReason, configure, solve
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.cli import main
from eplb_opt.methods import METHODS, optimal
from eplb_opt.methods.attempt import Attempt, Step
from eplb_opt.methods.method import Method
from eplb_opt.methods.option import LIMITS, Option
from eplb_opt.methods.run import run
from eplb_opt.methods.schedule import SCHEDULE
from eplb_opt.methods.task import Task
from eplb_opt.outcome import PoolOutcome
from eplb_opt.plugins.options import engine_policy, read_options
from eplb_opt.policies import AbstractEplbPolicy, RefinedPolicy, SolverPolicy, policy_of
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.refined_options import STEPS_ARE, step_count

from ..conftest import KNOWN

POOL = KNOWN["pool"][0]
WORK = Limits(seconds=None, work=0.1)


START = Option("start", 0, step_count, STEPS_ARE, "the first slot's expert", int)


def shuffled(instance, start=0):
    """A toy that places whole instances: experts in turn."""
    slots = (np.arange(instance.num_replicas) + start) % instance.num_experts
    return Placement(np.tile(slots, (instance.num_layers, 1)), instance.num_experts)


def lifted(task, report):
    """A toy that improves pools: nothing but the bound L0."""
    bound, name = trivial_bound(task.pool)
    return PoolOutcome(task.incumbent, bound, StopReason.COMPLETED, "lifted", name)


TOYS = [
    Method("shuffled", "experts in turn", options=(START,), place=shuffled),
    Method("lifted", "L0 again", options=(LIMITS,), improve=lifted,
           supports=lambda instance: "one node only" * instance.hierarchical),
]  # fmt: skip


@pytest.mark.parametrize("toy", TOYS, ids=lambda toy: toy.name)
def test_a_method_is_one_record(toy, monkeypatch):
    monkeypatch.setitem(METHODS, toy.name, toy)
    result = solve(POOL, toy.name, WORK)
    assert not result.placement.violations(POOL)
    assert (result.objective <= KNOWN["pool"][2]).all()
    placement = toy.place(POOL) if toy.place else result.placement
    phy2log = policy_of(toy).rebalance_experts(torch.tensor(POOL.weight), 16, 1, 1, 8)[0]
    np.testing.assert_array_equal(phy2log.numpy(), placement.phy2log)
    assert configure(policy_of(TOYS[1]), limits=WORK).limits == WORK


def test_an_option_is_one_record(monkeypatch):
    monkeypatch.setitem(METHODS, "shuffled", TOYS[0])
    monkeypatch.setitem(POLICIES, "shuffled", policy_of(TOYS[0]))
    assert POLICIES["shuffled"].start == 0
    policy = configure(POLICIES["shuffled"], start=3)
    assert policy.rebalance_experts(torch.tensor(POOL.weight), 16, 1, 1, 8)[0][0, 0] == 3
    chosen = {"EPLB_OPT_POLICY": "shuffled"}
    assert engine_policy(read_options({**chosen, "EPLB_OPT_START": "3"})) == policy
    with pytest.raises(OptionError, match=r"^ShuffledPolicy.start='3': give an integer from 0 to"):
        configure(POLICIES["shuffled"], start="3")
    with pytest.raises(
        OptionError,
        match=r"^ShuffledPolicy has no option 'limits': it has distinct, across, .*max_moves, .*min_gain, start$",
    ):
        configure(POLICIES["shuffled"], limits=WORK)
    with pytest.raises(OptionError, match=r"^EPLB_OPT_START='x': not a value of this option, give an integer"):
        read_options({**chosen, "EPLB_OPT_START": "x"})
    with pytest.raises(OptionError, match=r"^policy 'shuffled' has no steps: these are options of refined$"):
        engine_policy(read_options({**chosen, "EPLB_OPT_STEPS": "3"}))


def test_a_method_that_computes_on_a_device_is_told_where_the_loads_are(monkeypatch):
    told = {}
    toy = replace(TOYS[0], on_device=True, place=lambda instance, **given: told.update(given) or shuffled(instance))
    monkeypatch.setitem(METHODS, "shuffled", toy)
    configure(policy_of(toy), start=2).rebalance_experts(torch.tensor(POOL.weight), 16, 1, 1, 8)
    assert told == {"start": 2, "device": torch.device("cpu")}


def test_policies_of_a_users_own_have_the_options_of_what_they_are_below():
    own = type("Own", (SolverPolicy,), {"method": "optimal"})
    assert configure(own, limits=WORK).limits == WORK
    assert configure(type("Fast", (RefinedPolicy,), {"steps": 2}), compiled=False).steps == 2
    outside = type("Outside", (AbstractEplbPolicy,), {"steps": 2})
    with pytest.raises(
        OptionError, match=r"^Outside has no option 'steps': it has distinct, across, .*max_moves, .*min_gain$"
    ):
        configure(outside, steps=3)


def test_an_option_without_a_text_is_set_in_python_only():
    with pytest.raises(
        OptionError,
        match=r"^EPLB_OPT_COMPILED is no option: choose from policy, .*history, .*half_life, record, log, steps",
    ):
        read_options({"EPLB_OPT_COMPILED": "0"})
    assert not configure(POLICIES["refined"], compiled=False).compiled


def test_the_command_knows_a_new_method(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(METHODS, "shuffled", TOYS[0])
    np.save(tmp_path / "loads.npy", POOL.weight)
    arguments = ["solve", str(tmp_path / "loads.npy"), "--replicas", "16", "--ranks", "8", "--method", "shuffled"]
    assert main([*arguments, "-o", str(tmp_path / "map.npz")]) == 0
    assert (tmp_path / "map.npz").exists()
    assert "1 layer" in capsys.readouterr().out


def test_a_method_says_what_it_does_not_support(monkeypatch):
    monkeypatch.setitem(METHODS, "lifted", TOYS[1])
    with pytest.raises(OptionError, match="one node only"):
        solve(KNOWN["hierarchical"][0], "lifted", WORK)


def test_a_bound_is_one_step_of_the_schedule(monkeypatch):
    pool = Pool(np.array([9.0, 1.0, 1.0, 1.0]), 6, 2)
    start = Packing(np.array([[0, 0, 0], [1, 2, 3]]))

    def heaviest_expert(at: Attempt, budget, seed) -> None:
        """All ranks together carry the heaviest expert."""
        at.bracket.raise_to(at.pool.loads.max() / at.pool.ranks, "the heaviest expert")

    step = Step("heaviest expert", heaviest_expert, lambda at: True, Attempt.remaining)
    monkeypatch.setattr(optimal, "SCHEDULE", (step,))
    outcome = run("optimal", Task(pool, start, 1.0, WORK))
    assert outcome.lower_bound == 4.5
    assert outcome.bound_method == "the heaviest expert"


def test_everyone_reads_the_same_methods():
    assert list(POLICIES) == list(METHODS)
    for method in METHODS.values():
        assert (method.place is None) != (method.improve is None)
        assert method.summary
        assert method.improve is None or method.options == (LIMITS,)
        for option in method.options:
            assert option.summary
            assert getattr(POLICIES[method.name], option.name) == option.check(option.default) == option.default
    options = {option for method in METHODS.values() for option in method.options}
    assert len(options) == len({option.name for option in options})
    for step in SCHEDULE:
        assert step.run.__doc__
