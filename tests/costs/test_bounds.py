"""Bounds in time against brute force, their certificate, and what is tampered with."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("highspy")

from eplb_opt import Cost
from eplb_opt.bounds.counts_in_time import counts_in_time
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.budget import Budget
from eplb_opt.certificates.cost import AGGREGATE, THRESHOLD, CostCertificate, WholeSizes
from eplb_opt.certificates.cuts import CutCertificate
from eplb_opt.certificates.least_total import NOWHERE, cheapest
from eplb_opt.certificates.mean import max_replica_bound, mean_bound, trivial_bound
from eplb_opt.certificates.names import PATTERNS
from eplb_opt.certificates.patterns import contents
from eplb_opt.certificates.registry import read_certificate
from eplb_opt.certificates.time_model import time_model
from eplb_opt.problem.pool import Packing, Pool

from ..oracle import best_packing, count_vectors
from .pools import optimum_of, random_instance

ROUNDED = 1e-9


def random_pool(number):
    """A pool with a cost, and its optimum."""
    instance, curve = random_instance(np.random.default_rng([21, number]), "sum")
    return instance.pool(0), optimum_of(instance, curve)


@pytest.mark.parametrize("number", range(40))
def test_no_bound_is_above_the_optimum(number):
    pool, optimum = random_pool(number)
    assert mean_bound(pool) <= optimum * (1 + ROUNDED)
    assert max_replica_bound(pool) <= optimum * (1 + ROUNDED)
    for above in (1 + ROUNDED, 1.001, 1.1, 2.0):
        assert not CostCertificate(optimum * above).holds(pool)
    lower, _ = trivial_bound(pool)
    if optimum <= lower * (1 + ROUNDED):
        return
    certificate = counts_in_time(pool, lower, optimum, 1e-4, Budget())
    if certificate is not None:
        assert lower <= certificate.target <= optimum
        assert certificate.holds(pool)
        assert read_certificate(json.loads(json.dumps(certificate.to_dict()))).holds(pool)


@pytest.mark.parametrize("number", range(40))
def test_no_weights_of_cuts_prove_what_is_not_so(number):
    """Any cuts with any weights: each is valid, or the certificate says that it is not."""
    pool, optimum = random_pool(number)
    if optimum == 0:
        return
    random = np.random.default_rng(number)
    target = optimum * (1 + ROUNDED)
    whole = WholeSizes.of(pool, target)
    for _ in range(40):
        cuts = []
        for _ in range(int(random.integers(1, 4))):
            kind = (AGGREGATE, THRESHOLD)[int(random.integers(2))]
            sizes = random.choice(whole.sizes.ravel(), 2).tolist()
            unit = 1 if kind == AGGREGATE else max(whole.limit, 1)
            cuts.append((kind, max(sizes), min(sizes), int(random.integers(0, 5)) * unit))
        assert not CostCertificate(target, int(random.integers(0, 4)), tuple(cuts)).holds(pool)


@pytest.mark.parametrize("number", range(60))
def test_patterns_in_time_are_no_more_than_the_optimum(number):
    pool, optimum = random_pool(number)
    lower, _ = trivial_bound(pool)
    bound, certificate = pattern_bound(pool, optimum, 1e-6, lower=lower)
    assert bound <= optimum * (1 + ROUNDED)
    if certificate is None:
        return
    assert certificate.holds(pool)
    assert certificate.proves(pool, bound, PATTERNS)
    read = read_certificate(json.loads(json.dumps(certificate.to_dict())))
    assert read.holds(pool)
    for above in (1 + ROUNDED, 1.01, 2.0):
        assert not replace(certificate, target=optimum * above).holds(pool)


def test_patterns_prove_more_in_time_than_counts_do():
    """Of 60 pools some are open by K3 and closed by K5."""
    gained = 0
    for number in range(60):
        pool, optimum = random_pool(number)
        lower, _ = trivial_bound(pool)
        if optimum <= lower * (1 + ROUNDED):
            continue
        counts = counts_in_time(pool, lower, optimum, 1e-6, Budget())
        known = lower if counts is None else counts.target
        bound, _ = pattern_bound(pool, optimum, 1e-6, lower=known)
        gained += bound > known * (1 + 1e-5)
    assert gained >= 3


@pytest.mark.parametrize("number", range(30))
def test_what_ranks_hold_in_an_optimal_packing_is_listed(number):
    """Brute force over maps: each rank of every packing within the optimum is among the contents at it."""
    pool, optimum = random_pool(number)
    if optimum == 0 or pool.slots > 6:
        return
    model = time_model(pool, optimum * (1 + 1e-6))
    listed = {
        tuple(sorted((int(model.order[model.expert[t]]), int(model.count[t])) for t in row))
        for block in contents(pool, model)
        for row in block
    }
    found = 0
    for flat in itertools.product(range(pool.num_experts), repeat=pool.slots):
        packing = Packing(np.array(flat).reshape(pool.ranks, -1))
        if packing.violations(pool) or packing.objective(pool) > optimum * (1 + ROUNDED):
            continue
        found += 1
        counts = packing.counts(pool).tolist()
        for rank in packing.experts.tolist():
            assert tuple(sorted((expert, counts[expert]) for expert in rank)) in listed
    assert found


JUMPS = {
    "tiles": Cost(Cost.tiles(2, 0.7).curve, per_rank=0.3),
    "steps": Cost.table([0, 1, 1.000001, 3, 3.0001, 10], [0, 1, 2, 2, 3, 3]),
    "idle slots cost": Cost.table([0, 2], [0.4, 0.4], 1.0),
    "tiny": Cost.roofline(2e-300, 1e-300, 1e-300),
    "huge": Cost.roofline(2e290, 1e290, 1e290),
}


@pytest.mark.parametrize("name", JUMPS)
@pytest.mark.parametrize("number", range(8))
def test_nothing_proves_the_optimum_of_costs_that_jump(name, number):
    """Against the least slowest rank of the sizes themselves, in fractions: no rounding is in a bound's favour."""
    random = np.random.default_rng(number)
    ranks, each = ((1, 3), (2, 2), (2, 3), (3, 2))[number % 4]
    slots = ranks * each
    experts = slots - int(random.integers(0, 3))
    pool = Pool(random.integers(0, 6, experts), slots, ranks, number % 3 == 0 and ranks > 1, cost=JUMPS[name])
    sizes = [[Fraction(size) for size in row] for row in pool.sizes.tolist()]
    best = slots * max(row[0] for row in sizes) + 1
    for counts in count_vectors(experts, slots, pool.max_count):
        items = [(sizes[e][count - 1], e) for e, count in enumerate(counts) for _ in range(count)]
        best = best_packing(items, ranks, each, pool.distinct, best)
    assert Fraction(mean_bound(pool)) <= best
    assert Fraction(max_replica_bound(pool)) <= best
    above = float(best) if Fraction(float(best)) >= best else np.nextafter(float(best), np.inf)
    assert not CostCertificate(float(above)).holds(pool)


def cut_pool():
    """Two hot experts whose replicas must lie on different ranks, each beside something small."""
    loads = np.array([90.0, 85.0, 60.0, 60.0, 60.0, 5.0])
    return Pool(loads, 6, 3, cost=Cost.table([0, 100], [0.0, 1.0]))


def test_cuts_prove_more_than_the_mean():
    pool = cut_pool()
    lower, _ = trivial_bound(pool)
    assert lower == pytest.approx(1.2)
    certificate = counts_in_time(pool, lower, 1.45, 1e-4, Budget())
    assert certificate is not None
    assert certificate.target > 1.2
    assert certificate.holds(pool)


TAMPERED = {
    "a higher target": lambda c: replace(c, target=c.target * 1.5),
    "no target": lambda c: replace(c, target=0.0),
    "a negative target": lambda c: replace(c, target=-c.target),
    "an infinite target": lambda c: replace(c, target=float("inf")),
    "nothing weighs": lambda c: replace(c, total=0, cuts=()),
    "a negative total": lambda c: replace(c, total=-1),
    "sums that overflow": lambda c: replace(c, total=2**62),
    "a kind that is none": lambda c: replace(c, cuts=(("magic", 2**31, 1, 2**20),)),
    "two heavy ones on a rank": lambda c: replace(c, cuts=((AGGREGATE, 1, 1, 2**20),)),
    "a negative weight": lambda c: replace(c, cuts=((AGGREGATE, 2**31, 1, -1),)),
    "a level below nothing": lambda c: replace(c, cuts=((THRESHOLD, 2**31, -1, 1),)),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_certificate_does_not_hold(how):
    pool = cut_pool()
    certificate = CostCertificate(1.19)
    assert certificate.holds(pool)
    assert not TAMPERED[how](certificate).holds(pool)


def test_certificates_are_of_pools_of_their_kind():
    loads = np.array([5.0, 5.0, 5.0])
    in_time = Pool(loads, 4, 2, cost=Cost.roofline(40.0, 0.1))
    in_tokens = Pool(loads, 4, 2)
    of_time, of_tokens = CostCertificate(1.0), CutCertificate(1.0, (), 0.0)
    assert of_time.is_of(in_time)
    assert not of_time.is_of(in_tokens)
    assert not of_time.holds(in_tokens)
    assert of_tokens.is_of(in_tokens)
    assert not of_tokens.is_of(in_time)


@pytest.mark.parametrize("number", range(30))
def test_the_cheapest_counts(number):
    random = np.random.default_rng(number)
    experts, slots = int(random.integers(1, 5)), int(random.integers(1, 9))
    most = int(random.integers(1, 6))
    prices = random.integers(-50, 50, (experts, most))
    least = random.integers(1, most + 1, experts)
    total, counts = cheapest(prices, least, slots)
    vectors = [] if slots < experts else count_vectors(experts, slots, most)
    allowed = [c for c in vectors if all(n >= low for n, low in zip(c, least.tolist(), strict=True))]
    costs = [sum(int(prices[e, n - 1]) for e, n in enumerate(c)) for c in allowed]
    assert total == min(costs, default=NOWHERE)
    if costs:
        assert sum(int(prices[e, n - 1]) for e, n in enumerate(counts.tolist())) == total
        assert counts.sum() == slots


def test_sizes_never_rise_with_the_count():
    for number in range(40):
        pool, _ = random_pool(number)
        assert (np.diff(pool.sizes, axis=1) <= 0).all()


def test_a_larger_target_leaves_more_counts():
    pool = cut_pool()
    wholes = [WholeSizes.of(pool, target) for target in (0.8, 1.0, 1.3, 2.0)]
    assert [whole.fits for whole in wholes] == [False, True, True, True]
    for smaller, larger in pairwise(wholes[1:]):
        assert (smaller.least >= larger.least).all()
