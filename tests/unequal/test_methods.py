"""Methods and bounds on unequal ranks against brute force; what does not go with them yet."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("ortools")
pytest.importorskip("pulp")
pytest.importorskip("numba")

from eplb_opt import (
    Cost,
    FormatError,
    Instance,
    InstanceError,
    Limits,
    Objective,
    OptionError,
    Placement,
    match_ranks,
    solve,
)
from eplb_opt.bounds.unequal import unequal_bound
from eplb_opt.budget import Budget
from eplb_opt.certificates.cost import CostCertificate
from eplb_opt.certificates.cuts import CutCertificate
from eplb_opt.certificates.mean import max_replica_bound, mean_bound, trivial_bound
from eplb_opt.certificates.names import UNEQUAL
from eplb_opt.certificates.registry import read_certificate
from eplb_opt.certificates.unequal import HEAVY, SHORT, RankLimits, UnequalCertificate
from eplb_opt.claims.verify import verify_report
from eplb_opt.exact.assignment_milp import solve_milp
from eplb_opt.exact.cpsat_solver import solve_cpsat
from eplb_opt.external import call_policy
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.heuristics.greedy import greedy
from eplb_opt.heuristics.refine import refined
from eplb_opt.problem.pool import Packing
from eplb_opt.problem.ranks import Ranks
from eplb_opt.step_times import step_times

from .. import cost_soundness as soundness
from .. import together_soundness as together
from ..costs.unequal_pools import optimum_of, random_instance

ROUNDED = 1e-9


@pytest.mark.parametrize("number", range(4))
def test_methods_agree_with_brute_force(number):
    across = soundness.OBJECTIVES[number % len(soundness.OBJECTIVES)]
    instance, curve = random_instance(np.random.default_rng([51, number]), across)
    found, _ = soundness.faults(instance, optimum_of(instance, curve))
    assert found == []


@pytest.mark.parametrize("across", ["sum", "mean"])
def test_costs_speeds_and_windows_together_agree_with_brute_force(across):
    instance, curve = together.drawn(np.random.default_rng(52), across)
    assert together.has_all(instance)
    found, _ = soundness.faults(instance, optimum_of(instance, curve))
    assert found == []


@pytest.mark.parametrize("across", ["sum", "mean", "cvar", "max"])
@pytest.mark.parametrize("number", range(3))
def test_exact_models_from_the_greedys_map(number, across):
    """Without a search or a bound that would end it before."""
    instance, curve = random_instance(np.random.default_rng([61, number]), across)
    if not instance.load.any() or instance.unequal is None:
        return
    optimum = optimum_of(instance, curve)
    pool = instance.pool(0)
    start = Packing(instance.by_rank(greedy(instance).phy2log)[0])
    for solver in (solve_milp, solve_cpsat):
        outcome = solver(pool, start, soundness.LIMITS)
        assert outcome.packing.objective(pool) == pytest.approx(optimum, rel=2e-6)
        assert outcome.lower_bound == pytest.approx(optimum, rel=2e-5)
        assert outcome.lower_bound <= optimum * (1 + ROUNDED)


def random_pool(number):
    """A pool of added windows on unequal ranks, and its optimum."""
    for further in range(20):
        instance, curve = random_instance(np.random.default_rng([71, number, further]), "sum")
        if instance.unequal is not None:
            return instance.pool(0), optimum_of(instance, curve)
    raise AssertionError("all ranks are alike")


@pytest.mark.parametrize("number", range(12))
def test_no_bound_is_above_the_optimum(number):
    pool, optimum = random_pool(number)
    assert mean_bound(pool) <= optimum * (1 + ROUNDED)
    assert max_replica_bound(pool) <= optimum * (1 + ROUNDED)
    lower, _ = trivial_bound(pool)
    if optimum <= lower * (1 + ROUNDED):
        return
    certificate = unequal_bound(pool, pool.unequal, lower, optimum, 1e-4, Budget())
    if certificate is not None:
        assert lower <= certificate.target <= optimum
        assert certificate.holds(pool)
        assert read_certificate(json.loads(json.dumps(certificate.to_dict()))).holds(pool)


@pytest.mark.parametrize("number", range(12))
def test_no_weights_of_cuts_prove_what_is_not_so(number):
    """Any cuts with any weights: each is valid, or the certificate says that it is not."""
    pool, optimum = random_pool(number)
    if optimum == 0:
        return
    random = np.random.default_rng(number)
    target = optimum * (1 + ROUNDED)
    whole = RankLimits.of(pool, pool.unequal, target)
    for _ in range(40):
        cuts = []
        for _ in range(int(random.integers(1, 4))):
            kind = (SHORT, HEAVY)[int(random.integers(2))]
            level = int(random.choice(whole.sizes.ravel())) + int(random.integers(2))
            cuts.append((kind, level, int(random.integers(0, 5))))
        assert not UnequalCertificate(target, tuple(cuts)).holds(pool)


def test_cuts_prove_more_than_the_mean():
    """A fast rank of one slot cannot use its speed; and two experts are too heavy for the slow ranks."""
    few = Instance([[4.0] * 6], 6, num_ranks=2, rank_speeds=[9, 1], rank_slots=[1, 5])
    found = solve(few, "optimal", Limits(seconds=None, work=0.5))
    assert found.objective.tolist() == [20.0]
    assert found.lower_bound[0] == pytest.approx(20.0, rel=1e-4)
    heavy = Instance([[9.0, 9.0, 1.0, 1.0, 1.0, 1.0]], 6, num_ranks=3, rank_speeds=[2, 1, 1])
    pool = heavy.pool(0)
    certificate = unequal_bound(pool, heavy.unequal, trivial_bound(pool)[0], 9.5, 1e-4, Budget())
    assert certificate is not None
    assert certificate.target > trivial_bound(pool)[0]
    assert certificate.names == (UNEQUAL,)


@pytest.mark.parametrize(
    "cuts", [((SHORT, 0, 1),), ((HEAVY, 0, 1),), ((SHORT, 5, -1),), (("tall", 5, 1),), ((SHORT, 2**61, 2**61),)]
)
def test_cuts_that_are_none_prove_nothing(cuts):
    pool = Instance([[8.0, 1.0, 1.0, 1.0]], 4, num_ranks=2, rank_speeds=[1, 0.5]).pool(0)
    assert UnequalCertificate(8.9).holds(pool)
    assert not UnequalCertificate(8.9, cuts).holds(pool)
    for target in (0.0, -1.0, float("inf"), float("nan")):
        assert not UnequalCertificate(target).holds(pool)


def test_certificates_of_other_ranks_do_not_hold():
    alike = Instance([[8.0, 1.0, 1.0, 1.0]], 4, num_ranks=2)
    unequal = Instance(alike.load, 4, num_ranks=2, rank_speeds=[8, 8])
    assert not UnequalCertificate(0.1).holds(alike.pool(0))
    assert not CostCertificate(0.1).is_of(unequal.pool(0))
    assert not CutCertificate(0.1, (), 0.0).is_of(unequal.pool(0))


@pytest.mark.parametrize("across", ["sum", "mean", "max"])
@pytest.mark.parametrize("cost", [None, Cost.roofline(40.0, 0.13, per_rank=20.0)])
def test_refined_is_never_worse_than_the_greedy_and_the_same_again(across, cost):
    load = np.random.default_rng(5).lognormal(2, 1, (3, 2, 40))
    objective = Objective(across, cost=cost)
    ranks = {"rank_speeds": [1, 1, 0.8, 1, 0.5, 2], "rank_slots": [8, 8, 8, 8, 4, 10]}
    instance = Instance(load, 46, num_ranks=6, objective=objective, **ranks)
    greedy_values = solve(instance, "greedy").objective
    first = solve(instance, "refined", Limits(seconds=None))
    assert (first.objective <= greedy_values).all()
    assert (first.placement.phy2log == solve(instance, "refined", Limits(seconds=None)).placement.phy2log).all()
    assert first.placement.rank_slots == (8, 8, 8, 8, 4, 10)


def test_a_report_is_proven_again_and_of_these_ranks_only():
    load = np.random.default_rng(6).lognormal(2, 1, (1, 24))
    ranks = {"rank_speeds": [1, 1, 0.5], "rank_slots": [10, 11, 5]}
    instance = Instance(load, 26, num_ranks=3, **ranks)
    result = solve(instance, "optimal", Limits(seconds=None, work=0.3, gap=1e-3))
    report = json.loads(json.dumps(result.to_dict()))
    assert report["rank_speeds"] == [1.0, 1.0, 0.5]
    assert report["rank_slots"] == [10, 11, 5]
    assert verify_report(instance, result.placement, report).exit_code == 0
    for name in ranks:
        others = {**report, name: report[name][::-1]}
        assert verify_report(instance, result.placement, others).exit_code == 1
        without = {key: value for key, value in report.items() if key != name}
        assert verify_report(instance, result.placement, without).exit_code == 1


def test_forged_proofs_are_found():
    """A fast rank of few slots cannot use its speed: the bound rests on a certificate."""
    instance = Instance([[4.0, 4.0, 4.0, 4.0, 4.0, 3.0]], 6, num_ranks=2, rank_speeds=[9, 1], rank_slots=[1, 5])
    result = solve(instance, "optimal", Limits(seconds=None, work=0.3))
    report = json.loads(json.dumps(result.to_dict()))
    (layer,) = report["layers"]
    assert layer["bound_method"] == UNEQUAL
    assert verify_report(instance, result.placement, report).exit_code == 0
    (proof,) = layer["proofs"]
    for key, value in (("target", proof["target"] * 1.01), ("cuts", [["heavy", 1, 1]]), ("cuts", [["short", 1, -1]])):
        layer["proofs"] = [{**proof, key: value}]
        assert verify_report(instance, result.placement, report).exit_code == 1
    layer["proofs"] = []
    assert verify_report(instance, result.placement, report).exit_code == 1


@pytest.mark.parametrize("value", ["x", 1, [], [0, 1], ["1", 1], [[1], [1]], [1, float("nan")], [1, True], {}])
def test_hostile_speeds_and_slots_in_a_report(value):
    instance = Instance([[8, 3, 1]], 4, num_ranks=2, rank_speeds=[1, 0.5], rank_slots=[3, 1])
    result = solve(instance, "greedy")
    for name in ("rank_speeds", "rank_slots"):
        report = result.to_dict() | {name: value}
        try:
            code = verify_report(instance, result.placement, report).exit_code
        except FormatError:
            continue
        assert code == 1, name


def test_a_report_of_equal_ranks_has_no_key_of_theirs():
    report = solve(Instance([[8, 3, 1]], 4, num_ranks=2, rank_speeds=[1, 1]), "greedy").to_dict()
    assert not {"rank_speeds", "rank_slots"} & set(report)


def test_step_times_are_over_speeds():
    cost = Objective(cost=Cost.roofline(40.0, 0.1), tokens_per_step=64, top_k=1)
    load = [[3.0, 2.0, 1.0, 1.0]]
    placement = Placement([[0, 1, 2, 3]], 4)
    alike = Instance(load, 4, num_ranks=2, objective=cost)
    half = Instance(load, 4, num_ranks=2, objective=cost, rank_speeds=[0.5, 0.5])
    uneven = Instance(load, 4, num_ranks=2, objective=cost, rank_slots=[3, 1])
    assert step_times(half, placement)[0].step_time == pytest.approx(2 * step_times(alike, placement)[0].step_time)
    assert step_times(uneven, placement)[0].step_time > step_times(alike, placement)[0].step_time


def unequal(**more):
    return Instance([[8, 3, 1]], 4, num_ranks=2, rank_slots=[3, 1], **more)


@pytest.mark.parametrize("more", [{"previous": Placement([[0, 1, 0, 2]], 3)}, {"spare": "rank"}])
def test_what_solve_cannot_do_is_named(more):
    with pytest.raises(OptionError, match="rank_slots"):
        solve(unequal(), "greedy", **more)


def test_what_is_of_equal_ranks_refuses_others():
    instance = unequal()
    placement = greedy(instance)
    for call in (
        lambda: refined(instance),
        lambda: plan_windows(unequal(objective=Objective("mean"))),
        lambda: match_ranks(placement, placement, instance),
    ):
        with pytest.raises(InstanceError, match="rank_slots"):
            call()
    with pytest.raises(OptionError, match="rank_slots"):
        call_policy(lambda *given: given, instance)


def test_a_map_in_use_may_be_of_uneven_ranks():
    """Its rank without slots holds nothing."""
    previous = Placement([[0, 1, 2, 0]], 3, rank_slots=[2, 2, 0])
    instance = Instance([[8, 3, 1]], 6, num_ranks=3)
    later = solve(instance, "greedy", previous=previous)
    assert later.moves.tolist() == [2]


def test_limits_are_whole_and_rounded_down():
    pool = Instance([[4.0, 2.0]], 3, num_ranks=2, rank_speeds=[1, 0.5], rank_slots=[2, 1]).pool(0)
    whole = RankLimits.of(pool, Ranks((1.0, 0.5), (2, 1)), 3.0)
    assert whole.limits[0] == 2 * whole.limits[1] or not whole.fits
