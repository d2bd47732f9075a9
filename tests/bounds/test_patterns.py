"""L2: never above the optimum or below L1, and its certificates prove what they say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement, product

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.bounds import pattern_lp
from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.bounds.pattern_list import list_all
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.budget import Budget
from eplb_opt.certificates.certificate import plain_pool
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.certificates.patterns import PatternCertificate
from eplb_opt.certificates.rank_model import rank_model
from eplb_opt.checker import contents as contents_module
from eplb_opt.checker.contents import Model, contents
from eplb_opt.errors import FormatError
from eplb_opt.problem.pool import Pool

from .test_cuts import count_vectors, solutions, tiny_pool

MIXED = Pool(np.array([4.0, 2, 6, 24, 20, 27]), 9, 3)


def proven(pool: Pool, cert: PatternCertificate) -> bool:
    """The certificate's claim from its definition, in fractions."""
    target, size = Fraction(cert.target), pool.slots // pool.ranks
    loads = [Fraction(float(w)) for w in pool.loads]
    price = {(e, k): p for e, k, p in cert.prices}
    counts = [c for c in count_vectors(pool) if all(w / k <= target for w, k in zip(loads, c, strict=True))]
    types = {(e, k) for c in counts for e, k in enumerate(c)}
    least = [min(k for f, k in types if f == e) for e in range(len(loads))] if types else []
    worth = []
    for rank in combinations_with_replacement(sorted(types), size):
        one_count = len({e for e, _ in rank}) == len(set(rank))
        few = all(rank.count(t) <= (1 if pool.distinct else t[1]) for t in rank)
        few = few and sum(k - least[e] for e, k in set(rank)) <= pool.slots - sum(least)
        load = sum((loads[e] / k for e, k in rank), Fraction(0))
        if one_count and few and sum(loads) - (pool.ranks - 1) * target <= load <= target:
            worth.append(sum(price.get(t, 0) for t in rank))
    costs = [sum(k * price.get((e, k), 0) for e, k in enumerate(c)) for c in counts]
    return not worth or not costs or min(costs) > pool.ranks * max(worth)


@pytest.mark.parametrize("seed", range(20))
def test_random_pools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(8):
        pool = tiny_pool(rng)
        objectives = solutions(pool)
        if not objectives or not pool.loads.any():
            continue
        optimum = min(objectives.values())
        upper = float(optimum) * float(rng.choice([1.0, 1.1]))
        first = cut_bound(pool, upper)[0]
        bound, cert = pattern_bound(pool, upper, gap=float(rng.choice([0.0, 1e-4, 1e-2])), lower=first)
        assert Fraction(bound) <= optimum
        assert bound >= first >= trivial_bound(pool)[0]
        if cert is not None:
            assert bound == cert.target
            assert cert.holds(pool)
            assert proven(pool, cert)


@pytest.mark.parametrize("seed", range(6))
def test_columns_generated_or_all_at_once_give_the_same_bound(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    pool = Pool(np.rint(rng.lognormal(sigma=1.0, size=12) * 1000), 18, 6)
    upper = pool.mean * 1.05
    monkeypatch.setattr(pattern_lp, "START", 10**9)
    whole = pattern_bound(pool, upper)[0]
    for start, at_once, smooth in ((1, 8, 0.5), (1, 1, 0.9), (2, 64, 0.0)):
        monkeypatch.setattr(pattern_lp, "START", start)
        monkeypatch.setattr(pattern_lp, "AT_ONCE", at_once)
        monkeypatch.setattr(pattern_lp, "SMOOTH", smooth)
        assert pattern_bound(pool, upper)[0] == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_random_prices_prove_no_reachable_target(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool = tiny_pool(rng)
    objectives = solutions(pool)
    if not objectives or not pool.loads.any():
        return
    prices = [(e, k, int(rng.integers(-50, 50))) for e, k in product(range(pool.num_experts), range(1, pool.slots + 1))]
    for factor in (1.0 + 1e-9, 1.3):
        cert = PatternCertificate(float(min(objectives.values())) * factor, tuple(prices))
        assert not cert.holds(pool)
    below = PatternCertificate(float(min(objectives.values())) * 0.99, tuple(prices))
    assert not below.holds(pool) or proven(pool, below)


def test_improves_on_l1() -> None:
    pool = Pool(np.random.default_rng(0).lognormal(0, 1, 16), 24, 8)
    first = cut_bound(pool, math.inf)[0]
    bound, cert = pattern_bound(pool, pool.mean * 1.05, lower=first)
    assert bound > first * (1 + 1e-4)
    assert cert.holds(pool)


def test_never_below_l1_where_pairs_decide() -> None:
    pool = Pool(np.array([8.0, 7, 4, 11]), 6, 3, distinct=True)
    first = cut_bound(pool, math.inf)[0]
    assert pattern_bound(pool, first * 1.2, lower=first)[0] >= first


def mixed_certificate() -> PatternCertificate:
    optimum = float(min(solutions(MIXED).values()))
    bound, cert = pattern_bound(MIXED, optimum)
    assert trivial_bound(MIXED)[0] < bound <= optimum
    assert cert is not None
    return cert


def test_json_keeps_the_certificate() -> None:
    cert = mixed_certificate()
    assert PatternCertificate.from_dict(json.loads(json.dumps(cert.to_dict()))) == cert


@pytest.mark.parametrize("data", [{}, {"target": 1.0, "prices": [[1, 2]]}, {"target": "x", "prices": []}])
def test_broken_dict(data: dict) -> None:
    with pytest.raises(FormatError, match="to_dict"):
        PatternCertificate.from_dict(data)


def test_tampering_is_rejected() -> None:
    cert = mixed_certificate()
    optimum = float(min(solutions(MIXED).values()))
    for bad in (
        replace(cert, target=optimum), replace(cert, target=math.inf), replace(cert, target=math.nan),
        replace(cert, target=-1.0), replace(cert, prices=tuple((e, k, 2**50) for e, k, _ in cert.prices)),
        replace(cert, target=optimum, prices=()), replace(cert, target=2 * optimum),
    ):  # fmt: skip
        assert not bad.holds(MIXED)


@pytest.mark.parametrize("seed", range(40))
def test_the_check_lists_what_the_prover_lists(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool = tiny_pool(rng) if seed % 2 else Pool(rng.lognormal(size=8), 12, int(rng.choice([3, 4, 6])), bool(seed % 4))
    if not pool.loads.any():
        return
    for factor in (1.0, 1.01, 1.2, 3.0):
        target = trivial_bound(pool)[0] * factor
        model = rank_model(pool, target)
        own_model = Model(plain_pool(pool), target)
        assert (model is None) == own_model.is_excluded
        if model is None:
            continue
        listed = list_all(pool, model, 10**6)
        assert listed is not None
        own = [row for block in contents(plain_pool(pool), own_model) for row in block.tolist()]
        assert sorted(own) == sorted(listed[0].tolist())


def test_the_check_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    cert = mixed_certificate()
    assert cert.holds(MIXED)
    with monkeypatch.context() as patch:
        patch.setattr(contents_module, "MOST_STEPS", 3)
        assert not cert.holds(MIXED)
    monkeypatch.setattr(contents_module, "MOST_TYPES", 3)
    assert not cert.holds(MIXED)


def test_blocks_are_as_good_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(np.random.default_rng(0).lognormal(size=12), 24, 6)
    plain = plain_pool(pool)
    model = Model(plain, pool.mean * 1.05)
    whole = np.concatenate(list(contents(plain, model)))
    monkeypatch.setattr(contents_module, "AT_ONCE", 1)
    blocks = np.concatenate(list(contents(plain, model)))
    assert sorted(blocks.tolist()) == sorted(whole.tolist())


@pytest.mark.parametrize("price", [True, "1", 1.5, None, 2**63, [1]])
def test_prices_are_integers(price: object) -> None:
    with pytest.raises(FormatError, match="to_dict"):
        PatternCertificate.from_dict({"target": 1.0, "prices": [[0, 1, price]]})


def test_a_type_with_two_prices_proves_nothing() -> None:
    cert = mixed_certificate()
    assert not replace(cert, prices=cert.prices * 2).holds(MIXED)


def test_time_limit() -> None:
    pool = Pool(np.random.default_rng(0).lognormal(0, 1, 16), 24, 8)
    assert pattern_bound(pool, pool.mean * 1.05, budget=Budget.of_seconds(1e-9)) == (trivial_bound(pool)[0], None)
