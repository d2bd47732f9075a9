"""Trees over rank contents: they prove all that is true and nothing else, and are those that the prover has seen."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt import Instance, Objective
from eplb_opt.bounds.pattern_list import list_all
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.budget import Budget
from eplb_opt.certificates import cover_tree
from eplb_opt.certificates.cover import CoverCertificate
from eplb_opt.certificates.cover_tree import MOST_LOOKS, NODE, has_no_cover
from eplb_opt.certificates.groups import GroupCertificate, bound_of_ranks, group_pool
from eplb_opt.certificates.mean import floor_float
from eplb_opt.certificates.names import COVER, GROUP_TREE
from eplb_opt.certificates.patterns import PatternCertificate
from eplb_opt.certificates.rank_model import rank_model
from eplb_opt.certificates.window_model import window_model
from eplb_opt.exact.counts import solve_counts
from eplb_opt.exact.cover import CoverSearch, decide, short_proof, solve_patterns
from eplb_opt.grouping import certified_groups
from eplb_opt.limits import Limits
from eplb_opt.problem.pool import Packing, Pool

from ..exact.oracle_counts import optimum
from ..windows_oracle import windows_optimum

WORK = Limits(seconds=None, work=1.0)
HOSTILE = (math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0)


def tiny_pool(rng: np.random.Generator) -> Pool:
    ranks = int(rng.integers(1, 4))
    slots = int(rng.integers(1, 4))
    experts = int(rng.integers(1, ranks * slots + 1))
    loads = np.rint(rng.lognormal(0, 1, experts) * 100) + 1
    distinct = bool(rng.integers(2)) and ranks * slots <= experts * ranks
    return Pool(loads, ranks * slots, ranks, distinct)


def dealt(pool: Pool) -> Packing:
    """Some packing of a pool without spare slots or of experts in turn."""
    return Packing(np.resize(np.arange(pool.num_experts), pool.slots).reshape(-1, pool.ranks).T)


@pytest.mark.parametrize("seed", range(8))
def test_it_holds_below_the_optimum_and_nowhere_else(seed):
    rng = np.random.default_rng(seed)
    for _ in range(12):
        pool = tiny_pool(rng)
        best = optimum(pool.loads, pool.slots, pool.ranks, pool.distinct)
        for factor in rng.uniform(0.5, 1.5, 8).tolist():
            target = float(best) * factor
            assert CoverCertificate(target).holds(pool) == (Fraction(target) < best)
        assert not CoverCertificate(float(best)).holds(pool)
        assert CoverCertificate(float(best) * (1 - 1e-9)).holds(pool)
        assert not any(CoverCertificate(target).holds(pool) for target in HOSTILE)
        assert CoverCertificate(5e-324).holds(pool)
        assert not CoverCertificate(1e308).holds(pool)


def tiny_windows(rng: np.random.Generator) -> Instance:
    """Two or three windows on two or three ranks; one may be silent."""
    ranks = int(rng.integers(2, 4))
    slots = ranks * int(rng.integers(1, 3))
    experts = int(rng.integers(max(1, slots - 2), slots + 1))
    load = np.rint(rng.lognormal(0, 1, (int(rng.integers(2, 4)), 1, experts)) * 100)
    load[0] *= rng.random() < 0.9
    across = ("mean", "cvar", "max")[int(rng.integers(3))]
    distinct = bool(rng.integers(2)) and slots <= experts * ranks
    objective = Objective(across, level=float(rng.choice([0.3, 0.5])))
    return Instance(load, slots, num_ranks=ranks, distinct=distinct, objective=objective)


@pytest.mark.parametrize("seed", range(6))
def test_over_windows_it_holds_below_the_optimum_and_nowhere_else(seed):
    rng = np.random.default_rng(seed)
    for _ in range(10):
        instance = tiny_windows(rng)
        objective = instance.objective
        load = instance.load[:, 0].tolist()
        shape = (instance.num_replicas, instance.num_ranks, instance.distinct)
        best = float(windows_optimum(load, [1.0] * len(load), *shape, objective.across, objective.level))
        pool = instance.pool(0)
        for factor in (0.5, 0.8, 0.95, 1 - 1e-6, 1 + 1e-6, 1.05, 1.5):
            assert CoverCertificate(best * factor).holds(pool) == (factor < 1), (instance, best, factor)
            proof = PatternCertificate(best * factor, ())
            assert not proof.holds(pool) or factor < 1


def test_rank_patterns_prove_what_windows_together_allow():
    random = np.random.default_rng(2)
    load = np.rint(1000 * random.lognormal(0, 1, (3, 1, 10)))
    for across in ("mean", "cvar", "max"):
        instance = Instance(load, 12, num_ranks=4, objective=Objective(across, level=0.5))
        pool = instance.pool(0)
        search = solve_patterns(pool, dealt(pool), WORK)
        bound, proof = pattern_bound(pool, search.packing.objective(pool), 1e-4)
        assert search.packing.objective(pool) <= search.lower_bound * (1 + 1e-4)
        assert search.proof.holds(pool)
        # The mix alone allows less, as it knows nothing of what is hot together.
        assert not search.proof.holds(pool.mix)
        assert bound <= search.packing.objective(pool)
        assert proof is None or proof.holds(pool)


@pytest.mark.parametrize("across", ["mean", "cvar", "max"])
def test_the_checker_looks_at_what_the_prover_has_looked_at_over_windows(across, monkeypatch):
    trees = []
    monkeypatch.setattr(cover_tree._Tree, "is_refuted", watched(cover_tree._Tree.is_refuted, trees))
    rng = np.random.default_rng(7)
    for _ in range(3):
        load = np.rint(rng.lognormal(0, 1, (3, 1, 12)) * 1000)
        pool = Instance(load, 16, num_ranks=4, objective=Objective(across)).pool(0)
        for target in (1.02, 1.04, 1.06):
            model = rank_model(pool, target)
            if model is None:
                continue
            windows = window_model(pool, model, target)
            listed = list_all(pool, model, 100_000, windows)
            search = CoverSearch(pool, model, *listed, windows)
            verdict = search.run(Budget(work=1e7))
            assert has_no_cover(pool, model, windows) == verdict.impossible
            if verdict.impossible:
                looks = sum(tree.looks for tree in trees)
                assert looks == verdict.ticks + NODE * search.tree.state[2]
            trees.clear()


@pytest.mark.parametrize(("experts", "slots", "ranks"), [(16, 24, 8), (12, 24, 6), (20, 20, 5), (7, 14, 7)])
@pytest.mark.parametrize("distinct", [False, True])
def test_the_checker_looks_at_what_the_prover_has_looked_at(experts, slots, ranks, distinct, monkeypatch):
    trees = []
    monkeypatch.setattr(cover_tree._Tree, "is_refuted", watched(cover_tree._Tree.is_refuted, trees))
    rng = np.random.default_rng(experts)
    for _ in range(3):
        pool = Pool(np.rint(rng.lognormal(0, 1, experts) * 1000), slots, ranks, distinct)
        model = rank_model(pool, pool.mean * 1.0002)
        if model is None:
            continue
        search = CoverSearch(pool, model, *list_all(pool, model, 100_000))
        verdict = search.run(Budget(work=1e7))
        assert has_no_cover(pool, model) == verdict.impossible
        if verdict.impossible:
            looks = sum(tree.looks for tree in trees)  # no tree where a rank may hold nothing
            assert looks == verdict.ticks + NODE * search.tree.state[2]
        trees.clear()


def watched(is_refuted, trees):
    def kept(tree):
        trees.append(tree)
        return is_refuted(tree)

    return kept


def test_work_is_bounded(monkeypatch):
    pool = Pool(np.rint(np.random.default_rng(5).lognormal(0, 1, 16) * 1000), 24, 8)
    target = solve_patterns(pool, dealt(pool), WORK).lower_bound
    certificate = CoverCertificate(target)
    assert certificate.holds(pool)
    for name, most in (("MOST_LOOKS", 10_000), ("MOST_CONTENTS", 10), ("MOST_HELD", 10), ("MOST_STEPS", 10)):
        with monkeypatch.context() as patch:
            patch.setattr(cover_tree, name, most)
            assert not certificate.holds(pool), name
    with monkeypatch.context() as patch:
        patch.setattr(cover_tree, "AT_ONCE", 1)  # blocks of one child
        assert certificate.holds(pool)
    hundreds = Pool(np.ones(700), 1400, 10)
    assert not CoverCertificate(hundreds.mean * 1.01).holds(hundreds)


@pytest.mark.parametrize("solve", [solve_patterns, solve_counts])
def test_solvers_give_certificates_of_their_bounds(solve):
    rng = np.random.default_rng(2)
    certified = 0
    for _ in range(6):
        pool = Pool(np.rint(rng.lognormal(0, 1, 8) * 1000), 12, 4)
        outcome = solve(pool, dealt(pool), WORK)
        if outcome.bound_method != COVER:
            assert outcome.proof is None
            continue
        certified += 1
        assert outcome.proof.bound(pool) >= outcome.lower_bound
        assert outcome.proof.holds(pool)
        assert outcome.proof.proves(pool, outcome.lower_bound, COVER)
    assert certified > 3


def test_a_search_near_counts_or_without_contents_gives_none():
    pool = Pool(np.array([5.0, 3.0, 2.0, 2.0]), 8, 4)
    everything = decide(pool, pool.mean * 0.999, Budget(), forbidden=())
    assert everything.proof is None  # L0
    near = decide(pool, pool.mean * 1.001, Budget(), near=np.array([2, 2, 2, 2]), width=0)
    assert near.proof is None
    packable = decide(pool, 10.0, Budget())
    assert packable.packing is not None
    assert packable.proof is None
    assert short_proof(pool, 10.0) is None


def test_a_long_tree_has_no_certificate(monkeypatch):
    pool = Pool(np.rint(np.random.default_rng(5).lognormal(0, 1, 16) * 1000), 24, 8)
    target = solve_patterns(pool, dealt(pool), WORK).lower_bound
    assert decide(pool, target, Budget()).proof == CoverCertificate(target)
    monkeypatch.setattr("eplb_opt.exact.cover.MOST_LOOKS", MOST_LOOKS / 1e6)
    verdict = decide(pool, target, Budget())
    assert (verdict.impossible, verdict.proof) == (True, None)


# --- groups to nodes ------------------------------------------------------------------------------------------------


def least_node(loads: list[Fraction], nodes: int) -> Fraction:
    """The least heaviest node over all partitions."""
    size = len(loads) // nodes
    best = [sum(loads)]

    def fill(rooms: list[tuple[Fraction, int]], left: list[Fraction]) -> None:
        if not left:
            best[0] = min(best[0], max(load for load, _ in rooms))
            return
        for i, (load, held) in enumerate(rooms):
            if held < size and load + left[0] < best[0] and rooms[i] not in rooms[:i]:
                fill([*rooms[:i], (load + left[0], held + 1), *rooms[i + 1 :]], left[1:])

    fill([(Fraction(0), 0)] * nodes, sorted(loads, reverse=True))
    return best[0]


@pytest.mark.parametrize("seed", range(6))
def test_groups(seed):
    rng = np.random.default_rng(seed)
    instance = Instance(rng.lognormal(0, 1, (1, 36)), 36, num_ranks=12, num_groups=9, num_nodes=3)
    pool = group_pool(instance, 0)
    exact = [sum(map(Fraction, group.tolist())) for group in instance.weight[0].reshape(9, 4)]
    assert pool.loads.tolist() == [floor_float(load) for load in exact]
    best = least_node(exact, 3)
    for factor in rng.uniform(0.9, 1.1, 20).tolist():
        target = float(best) * factor
        assert GroupCertificate(target).holds(pool) == (Fraction(target) < best)
    bound = float(best) / 4 * (1 - 1e-6)
    certificate = certified_groups(pool, 4, bound)
    assert bound <= bound_of_ranks(certificate.target, 4) <= best / 4
    assert certified_groups(pool, 4, float(best) / 4 * (1 + 1e-6)) is None
    assert not certificate.is_of(pool)  # of nodes, not of a pool of replicas
    assert not certificate.proves(pool, bound, GROUP_TREE)
