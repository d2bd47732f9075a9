"""L1: the bound never exceeds the optimum, cuts hold for every solution, certificates prove what they say."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest

from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.bounds.separation import Grid, aggregate_cut, threshold_cut, violated_cuts
from eplb_opt.budget import Budget
from eplb_opt.certificates.cuts import (
    AGGREGATE,
    THRESHOLD,
    Cut,
    CutCertificate,
    count_range,
    dual_value,
)
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.errors import FormatError
from eplb_opt.problem.pool import Pool

from ..conftest import recorded

KNOWN = Pool(np.array([600.0, 560, 120, 120, 20, 10, 10, 10]), 16, 8)


# --- an oracle in fractions that shares no code with the package ---------------------------------------------------


def count_vectors(pool: Pool) -> list[tuple[int, ...]]:
    """Every count vector of the pool."""
    most = pool.ranks if pool.distinct else pool.slots
    found: list[tuple[int, ...]] = [()]
    for later in range(pool.num_experts - 1, -1, -1):
        found = [(*c, k) for c in found for k in range(1, most + 1) if sum(c) + k + later <= pool.slots]
    return [c for c in found if sum(c) == pool.slots]


def best_packing(pool: Pool, counts: tuple[int, ...]) -> Fraction | None:
    """Smallest heaviest rank over all packings of these counts; None if ``distinct`` allows none."""
    size = pool.slots // pool.ranks
    items = sorted(((Fraction(float(w)) / k, e) for e, (w, k) in enumerate(zip(pool.loads, counts, strict=True))
                    for _ in range(k)), reverse=True)  # fmt: skip
    best: list[Fraction | None] = [None]

    def fill(left: list[tuple[Fraction, int]], heaviest: Fraction) -> None:
        if best[0] is not None and heaviest >= best[0]:
            return
        if not left:
            best[0] = heaviest
            return
        seen = set()
        for chosen in combinations(range(1, len(left)), size - 1):
            rank = [left[0]] + [left[i] for i in chosen]
            if tuple(rank) in seen or (pool.distinct and len({e for _, e in rank}) < size):
                continue
            seen.add(tuple(rank))
            rest = [item for i, item in enumerate(left) if i and i not in chosen]
            fill(rest, max(heaviest, sum((load for load, _ in rank), Fraction(0))))

    fill(items, Fraction(0))
    return best[0]


def solutions(pool: Pool) -> dict[tuple[int, ...], Fraction]:
    """The best objective of every count vector that can be packed."""
    packed = {c: best_packing(pool, c) for c in count_vectors(pool)}
    return {c: value for c, value in packed.items() if value is not None}


def value_of(cut: Cut, target: Fraction, size: int, load: Fraction, count: int) -> Fraction:
    """f(e, k) from the definition, in fractions."""
    v, u, each = Fraction(cut.v), Fraction(cut.u), load / count
    if cut.kind == "aggregate":
        heavy = load + (size - 1) * count * u - target * count if each >= v else Fraction(0)
        return heavy - count * max(Fraction(0), u - each)
    n = min(size - 1, size - math.ceil((target - v) / u))
    return Fraction((n * count if each >= v else 0) - (count if each <= u else 0))


def proven(pool: Pool, cert: CutCertificate) -> bool:
    """The certificate's claim, checked slowly."""
    target, size = Fraction(cert.target), pool.slots // pool.ranks
    loads = [Fraction(float(w)) for w in pool.loads]
    least = [max(1, math.ceil(w / target)) for w in loads]
    total = Fraction(0)
    for e, w in enumerate(loads):
        most = pool.slots - sum(least) + least[e]
        costs = [
            sum((Fraction(c.multiplier) * value_of(c, target, size, w, k) for c in cert.cuts), Fraction(0))
            + Fraction(cert.slot_price) * k
            for k in range(least[e], (min(most, pool.ranks) if pool.distinct else most) + 1)
        ]
        if not costs:
            return True
        total += min(costs)
    return total > Fraction(cert.slot_price) * pool.slots


def tiny_pool(rng: np.random.Generator) -> Pool:
    """A pool that the oracle solves in milliseconds; s = 2, 3 or 4, flat or skewed, with zeros and fractions."""
    ranks, size = [(2, 2), (3, 2), (4, 2), (5, 2), (2, 3), (3, 3), (2, 4)][rng.integers(7)]
    slots = ranks * size
    experts = int(rng.integers(max(2, slots - 4), slots + 1)) if rng.random() < 0.7 else int(rng.integers(2, slots + 1))
    kind = rng.integers(4)
    if kind == 0:
        loads = rng.integers(0, 12, experts).astype(float)
    elif kind == 1:
        loads = np.round(np.exp(rng.normal(4, 1.5, experts)))
    elif kind == 2:
        loads = rng.choice([0.0, 1.0, 7.0, 10.0, 60.0], experts)
    else:
        loads = rng.random(experts) ** 3 * 1e3
    distinct = bool(rng.random() < 0.3 and slots <= experts * ranks)
    return Pool(loads, slots, ranks, distinct)


def check_pool(rng: np.random.Generator) -> tuple[Pool, float, CutCertificate | None, Fraction]:
    """One random pool: bound <= optimum, certificate proven by the slow check too."""
    while True:
        pool = tiny_pool(rng)
        objectives = solutions(pool)
        if objectives:
            break
    optimum = min(objectives.values())
    upper = [float(optimum), float(optimum) * 1.1, math.inf][rng.integers(3)]
    bound, cert = cut_bound(pool, upper, gap=float(rng.choice([0.0, 1e-4, 1e-2])))
    assert Fraction(bound) <= optimum
    assert bound >= trivial_bound(pool)[0]
    if cert is not None:
        assert bound == cert.target
        assert cert.holds(pool)
        assert proven(pool, cert)
        check_cuts(pool, objectives, rng)
    return pool, bound, cert, optimum


def check_cuts(pool: Pool, objectives: dict[tuple[int, ...], Fraction], rng: np.random.Generator) -> int:
    """Cuts separated at random points and targets hold for every solution within the target; how many were checked.

    Targets lie above the optimum, two of them at the best packings of some counts, where a wrong cut shows first.
    """
    size, grid, checked = pool.slots // pool.ranks, Grid(float(max(objectives.values()))), 0
    loads, vectors = [Fraction(float(w)) for w in pool.loads], list(objectives)
    drawn = [float(min(objectives.values())) * (1 + draw * draw) for draw in rng.random(3)]
    drawn += [float(objectives[vectors[rng.integers(len(vectors))]]) for _ in range(2)]
    for target in map(grid.up, drawn):
        point = vectors[rng.integers(len(vectors))]
        mass = np.array(point) * rng.random(len(point))
        value = pool.loads / np.array(point)
        cuts = [cut for _, cut in violated_cuts(grid, target, size, value, mass, 10, -math.inf)]
        cuts += [aggregate_cut(grid, target, float(rng.random()) * target / 2, size)]
        made = threshold_cut(grid, target, float(rng.uniform(0.4, 1.1)) * target, int(rng.integers(1, size)), size)
        cuts += [made] if made is not None else []
        for counts, objective in objectives.items():
            if objective <= Fraction(target):
                pairs = list(zip(loads, counts, strict=True))
                for cut in cuts:
                    checked += 1
                    assert sum(value_of(cut, Fraction(target), size, w, k) for w, k in pairs) <= 0, (cut, target)
    return checked


# --- the bound -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_random_pools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(15):
        check_pool(rng)


@pytest.mark.parametrize("seed", range(5))
def test_cuts_hold_for_every_solution(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    for _ in range(15):
        pool = tiny_pool(rng)
        objectives = solutions(pool)
        if objectives and pool.loads.any():
            check_cuts(pool, objectives, rng)


def test_known_answer() -> None:
    bound, cert = cut_bound(KNOWN, 590 / 3)
    assert cert is not None
    assert cert.holds(KNOWN)
    assert 191.666 < bound <= 575 / 3


def test_no_redundancy_is_proven() -> None:
    pool = Pool(np.array([90.0, 30, 30, 30, 1, 1, 1, 1]), 8, 4)  # 90 + 1, 30 + 1 ...: 91; L0 says 90
    bound, cert = cut_bound(pool, 91.0)
    assert bound >= 91 / (1 + 1e-4)
    assert cert is not None


@pytest.mark.parametrize("loads", [[0.0] * 6, [5.0] * 6, [0, 0, 0, 0, 0, 9.0]])
@pytest.mark.parametrize("ranks", [2, 4])
def test_degenerate_loads(loads: list[float], ranks: int) -> None:
    pool = Pool(np.array(loads), 8, ranks)
    bound, cert = cut_bound(pool, math.inf)
    assert 0 <= Fraction(bound) <= min(solutions(pool).values())
    assert cert is None or cert.holds(pool)


def test_one_slot_a_rank_returns_l0() -> None:
    pool = Pool(np.array([7.0, 2, 1]), 5, 5)
    assert cut_bound(pool, math.inf) == (trivial_bound(pool)[0], None)


def test_nothing_is_done_where_l0_suffices() -> None:
    assert cut_bound(KNOWN, 1.00005 * trivial_bound(KNOWN)[0]) == (trivial_bound(KNOWN)[0], None)


@pytest.mark.parametrize("power", [-300, -7, 9, 300])
def test_scaling_by_a_power_of_two(power: int) -> None:
    factor = math.ldexp(1.0, power)
    bound, _ = cut_bound(KNOWN, 232.0)
    scaled = Pool(KNOWN.loads * factor, KNOWN.slots, KNOWN.ranks)
    found, cert = cut_bound(scaled, 232.0 * factor)
    assert found == bound * factor
    assert cert is not None
    assert cert.holds(scaled)


def test_extreme_loads_fall_back_to_l0() -> None:
    for loads in ([5e-324, 1e-320, 3e-310, 0.0], [1e300, 1e-300, 1.0, 3.0]):
        pool = Pool(np.array(loads), 6, 3)
        bound, cert = cut_bound(pool, math.inf)
        assert Fraction(bound) <= min(solutions(pool).values())
        assert cert is None or cert.holds(pool)


def test_runs_agree_and_stop_at_the_goal() -> None:
    assert cut_bound(KNOWN, 232.0) == cut_bound(KNOWN, 232.0)
    bound, _ = cut_bound(KNOWN, 590 / 3, gap=0.03)
    assert bound * 1.03 >= 590 / 3
    assert bound < 191.3


def test_time_limit() -> None:
    rng = np.random.default_rng(0)
    pool = Pool(np.round(np.exp(rng.normal(8, 1.0, 256))), 288, 144)
    limited, cert = cut_bound(pool, math.inf, budget=Budget.of_seconds(1e-6))
    assert limited == trivial_bound(pool)[0]
    assert cert is None
    assert cut_bound(pool, math.inf)[0] > limited


@pytest.mark.recorded
def test_recorded_loads() -> None:
    """Two slots a rank, where L0 is the mean: the bound that was measured, in mean rank loads."""
    bounds = []
    for loads in recorded("mixtral_8x7b").sum(axis=0):
        pool = Pool(loads.astype(np.float64), 16, 8)
        bounds.append(cut_bound(pool, math.inf)[0] / pool.mean)
    assert 1.0188 < np.mean(bounds) < 1.0202


# --- separation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_separation_finds_the_most_violated_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, target = int(rng.integers(2, 5)), 64.0
    value = rng.integers(1, 64, 12).astype(float)
    mass = rng.random(12) * 3
    found = violated_cuts(Grid(target), target, size, value, mass, 5, 1e-9)
    room = target - value
    levels = sorted({0.25, target / 2, *value, *(value + 0.25), *(room / (size - 1)), *(room / 2)})
    for kind, scale in ((AGGREGATE, target), (THRESHOLD, 1.0)):
        best = 1e-9
        for v, u in product(levels, levels):
            if v > target / 2 >= u and (kind == AGGREGATE or size - math.ceil((target - v) / u) >= 1):
                total = sum(m * at(kind, v, u, target, size, a) for a, m in zip(value, mass, strict=True))
                best = max(best, total / scale)
        for gain, cut in found:
            total = sum(m * at(cut.kind, cut.v, cut.u, target, size, a) for a, m in zip(value, mass, strict=True))
            assert cut.kind != kind or gain == pytest.approx(total / scale)
        assert max([gain for gain, cut in found if cut.kind == kind], default=1e-9) >= best - 1e-9


def at(kind: str, v: float, u: float, target: float, size: int, value: float) -> float:
    """f for one replica of this load."""
    return float(value_of(Cut(kind, v, u), Fraction(target), size, Fraction(value), 1))


# --- the certificate -----------------------------------------------------------------------------------------------


def known_certificate() -> CutCertificate:
    _, cert = cut_bound(KNOWN, 590 / 3)
    assert cert is not None
    return cert


def test_json_keeps_the_certificate() -> None:
    cert = known_certificate()
    assert CutCertificate.from_dict(json.loads(json.dumps(cert.to_dict()))) == cert


@pytest.mark.parametrize("data", [{}, {"target": 1.0, "cuts": [{}], "slot_price": 0}, {"target": "x", "cuts": []}, []])
def test_broken_dict(data: object) -> None:
    with pytest.raises(FormatError, match="to_dict"):
        CutCertificate.from_dict(data)  # type: ignore[arg-type]


def test_tampering_is_rejected() -> None:
    cert = known_certificate()
    first, rest = cert.cuts[0], cert.cuts[1:]
    broken = [
        replace(cert, target=197.0),
        replace(cert, target=math.inf),
        replace(cert, target=-1.0),
        replace(cert, slot_price=cert.slot_price + 10 * max(c.multiplier for c in cert.cuts) + 1),
        replace(cert, slot_price=math.nan),
        replace(cert, cuts=()),
        replace(cert, cuts=(replace(first, multiplier=-first.multiplier), *rest)),
        replace(cert, cuts=(replace(first, multiplier=math.inf), *rest)),
        replace(cert, cuts=(replace(first, v=cert.target / 2), *rest)),
        replace(cert, cuts=(replace(first, u=-1.0), *rest)),
        replace(cert, cuts=(replace(first, kind="other"), *rest)),
        replace(cert, cuts=(*cert.cuts, Cut(THRESHOLD, cert.target * 0.99, 0.0, 1.0))),
        replace(cert, cuts=(*cert.cuts, Cut(THRESHOLD, cert.target * 0.6, cert.target * 0.1, 1.0))),  # n < 1
    ]
    assert cert.holds(KNOWN)
    assert [bad.holds(KNOWN) for bad in broken] == [False] * len(broken)


@pytest.mark.parametrize(
    ("loads", "slots", "ranks", "target", "cut", "price"),
    [  # every target can be reached, so nothing may prove it
        ([5.0, 3.0], 8, 4, 4.0, None, -1.0),  # counts beyond the least ones
        ([5.0, 3.0], 8, 4, 4.0, None, 1.0),
        ([4.0, 0.0], 2, 1, 4.0, Cut(THRESHOLD, 4.0, 1.0, 1.0), 0.0),  # n is at most s - 1
        ([1.5, 1.5, 0.0], 3, 1, 3.0, Cut(THRESHOLD, 1.5, 0.8, 1.0), 0.0),  # v = T / 2
        ([1.5, 1.5, 0.0], 3, 1, 3.0, Cut(AGGREGATE, 1.5, 1.0, 1.0), 0.0),
        ([3.0, 1.0, 1.0, 1.0], 4, 2, 4.0, Cut(AGGREGATE, 3.0, 1.0, 1.0), 0.0),  # tight: value 0
    ],
)
def test_no_proof_of_a_reachable_target(
    loads: list[float], slots: int, ranks: int, target: float, cut: Cut | None, price: float
) -> None:
    pool = Pool(np.array(loads), slots, ranks)
    assert min(solutions(pool).values()) <= target
    assert not CutCertificate(target, () if cut is None else (cut,), price).holds(pool)


@pytest.mark.parametrize("seed", range(30))
def test_costs_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool, target, size = Pool(rng.integers(0, 40, 4).astype(float), 12, 12 // (seed % 3 + 2)), 16.0, seed % 3 + 2
    drawn = [Cut(AGGREGATE, *rng.integers(9, 20, 1), *rng.integers(0, 8, 1), float(rng.integers(1, 5))) for _ in "ab"]
    drawn += [Cut(THRESHOLD, *rng.integers(9, 20, 1), *rng.integers(7, 9, 1), float(rng.integers(1, 5))) for _ in "ab"]
    cuts = tuple(Cut(c.kind, float(c.v), float(c.u), c.multiplier) for c in drawn)
    _, cost = dual_value(pool, CutCertificate(target, cuts, 0.5))
    least, top = count_range(pool, target)
    for e, w in enumerate(pool.loads):
        for k in range(least[e], top[e] + 1):
            exact = sum(Fraction(c.multiplier) * value_of(c, Fraction(target), size, Fraction(w), k) for c in cuts)
            assert cost[e, k - least[e]] == exact + Fraction(k, 2)


def test_another_pool_is_rejected() -> None:
    cert = known_certificate()
    for loads, slots, ranks in ((KNOWN.loads * 0.99, 16, 8), (KNOWN.loads, 18, 9), (KNOWN.loads[:-1], 16, 8)):
        pool = Pool(loads, slots, ranks)
        assert not cert.holds(pool) or proven(pool, cert)
    assert not cert.holds(Pool(KNOWN.loads * 0.99, 16, 8))


@pytest.mark.parametrize("seed", range(20))
def test_exact_check_agrees_with_fractions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cert = known_certificate()
    for factor in 1 + rng.normal(0, 1e-3, 20):
        moved = replace(
            cert, target=cert.target * min(factor, 1.001),
            cuts=tuple(replace(c, multiplier=c.multiplier * (1 + rng.normal(0, 1e-2))) for c in cert.cuts),
        )  # fmt: skip
        valid = all(
            2 * c.v > moved.target
            and (c.kind == AGGREGATE or 2 - math.ceil((Fraction(moved.target) - Fraction(c.v)) / Fraction(c.u)) >= 1)
            for c in moved.cuts
        )
        assert moved.holds(KNOWN) == (valid and proven(KNOWN, moved))


def test_lower_targets_follow() -> None:
    cert = known_certificate()
    assert all(replace(cert, target=cert.target * f).holds(KNOWN) for f in (0.999, 0.9, 0.5, 0.01))


if __name__ == "__main__":  # python tests/bounds/test_cuts.py POOLS SEED: a longer run of the random pools
    generator = np.random.default_rng(int(sys.argv[2]))
    tight = beaten = 0
    for _ in range(int(sys.argv[1])):
        tiny, low, certificate, exact = check_pool(generator)
        beaten += certificate is not None
        tight += low * (1 + 1e-4) >= exact
    print(f"{sys.argv[1]} pools: bound <= optimum in all; above L0 in {beaten}, within 1e-4 of the optimum in {tight}")
