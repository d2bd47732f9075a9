"""Trees over counts of two slots a rank: true below the optimum only, whatever is altered in them."""

from __future__ import annotations

import copy
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("highspy")

from eplb_opt.budget import Budget
from eplb_opt.certificates.count_tree import CountTreeCertificate, Node
from eplb_opt.certificates.names import COUNT_TREE
from eplb_opt.checker import counts as module
from eplb_opt.checker.counts import SLOT
from eplb_opt.errors import FormatError, SolverError
from eplb_opt.exact import matching, pairing_tree
from eplb_opt.exact.matching import MATCHING, solve_matching
from eplb_opt.exact.pairing_tree import count_tree
from eplb_opt.limits import Limits
from eplb_opt.outcome import PoolOutcome
from eplb_opt.pool_state import PoolState
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.problem.status import StopReason

from ..exact.oracle_counts import optimum


def tiny_pool(rng: np.random.Generator, distinct: bool = False) -> Pool:
    ranks = int(rng.integers(2, 5))
    experts = int(rng.integers(2, 2 * ranks))
    return Pool(np.rint(rng.lognormal(0, 1, experts) * 100) + 1, 2 * ranks, ranks, distinct)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("distinct", [False, True])
def test_it_holds_below_the_optimum_and_is_not_found_from_there_on(seed, distinct):
    rng = np.random.default_rng(seed)
    for _ in range(6):
        pool = tiny_pool(rng, distinct)
        best = optimum(pool.loads, pool.slots, pool.ranks)  # repetitions allowed: what these trees are of
        for factor in (0.6, 0.9, 1 - 1e-9):
            target = float(best) * factor
            certificate = count_tree(pool, target)
            assert certificate is not None
            assert certificate.target == target
            assert certificate.holds(pool)
            assert certificate.proves(pool, target, COUNT_TREE)
        for factor in (1.0, 1.2):
            found = count_tree(pool, float(best) * factor)
            assert found is None or (distinct and found.holds(pool))


def of_many_nodes() -> tuple[Pool, Fraction, CountTreeCertificate]:
    """A pool with its optimum and a certificate just below it, whose tree has a dozen nodes."""
    pool = Pool(np.array([2876.0, 1062, 772, 2018, 1540, 1137, 1324]), 14, 7)
    best = optimum(pool.loads, pool.slots, pool.ranks)
    certificate = count_tree(pool, float(best) * (1 - 1e-6))
    assert certificate is not None
    return pool, best, certificate


def altered(rng: np.random.Generator, rows: list[list]) -> list[list]:
    """Nodes with one number, vector or node changed, left out or repeated."""
    rows = copy.deepcopy(rows)
    i = int(rng.integers(len(rows)))
    row = rows[i]
    kind = int(rng.integers(6))
    if kind == 0:
        row[int(rng.integers(2))] += int(rng.choice([-2, -1, 1, 2]))
    elif kind == 1:
        del rows[i]
    elif kind == 2:
        rows.insert(i, rows[int(rng.integers(len(rows)))])
    elif len(row) > 2:
        vector = row[int(rng.integers(2, len(row)))]
        if kind == 3 or not vector:
            row.remove(vector)
        else:
            place = int(rng.integers(len(vector)))
            vector[place] += int(rng.integers(-3, 4)) if place % 2 == 0 else int(rng.integers(-SLOT, SLOT))
    return rows


def rows_of(certificate: CountTreeCertificate) -> list[list]:
    return certificate.to_dict()["nodes"]


def with_rows(certificate: CountTreeCertificate, rows: object) -> CountTreeCertificate:
    return CountTreeCertificate.from_dict({**certificate.to_dict(), "nodes": rows})


def test_every_alteration_is_refused_or_true():
    """At the target altered trees may hold, and it stays true; at and above the optimum none does."""
    pool, best, certificate = of_many_nodes()
    rng = np.random.default_rng(0)
    rows = rows_of(certificate)
    refused = 0
    for _ in range(1000):
        forged = with_rows(certificate, altered(rng, rows))
        refused += not forged.holds(pool)
        for target in (float(best), float(best) * 1.01):
            raised = replace(forged, target=target)
            assert not raised.holds(pool)
    assert refused > 300
    for _ in range(1000):
        levels = list(certificate.levels)
        levels[int(rng.integers(len(levels)))] *= float(rng.uniform(0.5, 2))
        target = certificate.target * float(rng.uniform(0.9, 1.2))
        forged = replace(certificate, target=target, levels=tuple(levels))
        assert not forged.holds(pool) or Fraction(target) < best


@pytest.mark.parametrize("seed", range(20))
def test_random_trees_prove_no_reachable_target(seed):
    rng = np.random.default_rng(seed)
    pool = tiny_pool(rng)
    best = float(optimum(pool.loads, pool.slots, pool.ranks))
    for _ in range(30):
        target = best * float(rng.uniform(1, 1.3))
        levels = (rng.uniform(0.5, 1.1, 4) * target).tolist()
        nodes = [
            Node(
                [[(int(rng.integers(4)), int(rng.integers(3 * SLOT))) for _ in range(3)]],
                int(rng.integers(pool.num_experts)),
                int(rng.integers(1, 4)),
            )
            for _ in range(7)
        ]
        assert not CountTreeCertificate(target, tuple(levels), tuple(nodes)).holds(pool)


def test_what_is_not_well_formed_is_refused():
    pool, _, certificate = of_many_nodes()
    assert certificate.holds(pool)
    rows = rows_of(certificate)
    for wrong in (None, 1, [1], [[]], [[1]], [["x", 1]], [[True, 1]], [[0, 1, 2]], [[0, 1, [1]]], [[0, 1, [0, 1.5]]],
                  [[10**30, 1]]):  # fmt: skip
        with pytest.raises(FormatError, match="not a certificate of kind counts"):
            with_rows(certificate, wrong)
    for wrong in ([], [[0, 1, [0, -1]]], [[0, 1, [99, 1]]], [[0, 1, [-1, 1]]], [[0, 1, [0, 2**40]]], [*rows, [-1, 0]],
                  rows[:-1], [[-1, 0]]):  # fmt: skip
        assert not with_rows(certificate, wrong).holds(pool), wrong
    for number in (float("nan"), float("inf"), 0.0, -1.0):
        assert not replace(certificate, target=number).holds(pool)
        assert not replace(certificate, levels=(number, *certificate.levels[1:])).holds(pool)
    light = certificate.target / 2
    assert not replace(certificate, levels=(light, *certificate.levels[1:])).holds(pool)
    assert not certificate.holds(Pool(pool.loads, 21, 7))  # three slots a rank


def test_work_is_bounded(monkeypatch):
    pool, _, certificate = of_many_nodes()
    for name in ("MOST_PRICED", "MOST_COUNTS", "MOST_SLOTS", "MOST_PRICE"):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, 10)
            assert not certificate.holds(pool), name


def test_trees_that_are_too_large_have_no_certificate(monkeypatch):
    pool, best, certificate = of_many_nodes()
    limit = float(best) * (1 - 1e-6)
    assert count_tree(pool, limit) == certificate  # deterministic
    assert count_tree(pool, limit, Budget.of_seconds(0.0)) is None
    monkeypatch.setattr(pairing_tree, "MOST_NODES", 2)
    assert count_tree(pool, limit) is None
    monkeypatch.setattr(pairing_tree, "MOST_COLUMNS", 10)
    assert count_tree(pool, limit) is None


def in_turn(pool: Pool) -> Packing:
    return Packing(np.resize(np.arange(pool.num_experts), pool.slots).reshape(-1, 2))


def test_a_certificate_that_comes_after_its_bound_gives_it_its_name():
    pool, _, certificate = of_many_nodes()
    bound = certificate.bound(pool)
    state = PoolState.begin(pool, np.arange(pool.num_experts), in_turn(pool))
    state.update(PoolOutcome(None, bound, StopReason.TIME, MATCHING, MATCHING))
    assert state.bracket.bound_method == MATCHING
    state.update(PoolOutcome(None, bound, StopReason.GAP, MATCHING, COUNT_TREE, proof=certificate))
    assert state.bracket.bound_method == COUNT_TREE
    assert state.certified() == state.lower_bound == bound


def test_a_program_that_fails_costs_the_certificate_alone(monkeypatch):
    def fails(*_):
        raise SolverError("HiGHS failed")

    pytest.importorskip("ortools")
    pool, best, _ = of_many_nodes()
    limits = Limits(seconds=None, work=1.0, gap=0.0)
    assert solve_matching(pool, in_turn(pool), limits).bound_method == COUNT_TREE
    monkeypatch.setattr(matching, "count_tree", fails)
    outcome = solve_matching(pool, in_turn(pool), limits)
    assert outcome.stop is StopReason.GAP
    assert outcome.bound_method == MATCHING
    assert "HiGHS failed" in outcome.note
    assert outcome.lower_bound == pytest.approx(float(best))
