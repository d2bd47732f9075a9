"""A HiGHS that fails: bounds keep what they had proven, the rest of the portfolio goes on, and the note says why."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("highspy")

import highspy

from eplb_opt import FallbackWarning, Instance, Limits, solve
from eplb_opt.bounds.cuts import certificate_holds, cut_bound
from eplb_opt.bounds.exclusion import learn_prices
from eplb_opt.bounds.pattern_list import list_all
from eplb_opt.bounds.pattern_lp import mean_counts
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.bounds.separation import Grid
from eplb_opt.certificates.cuts import exact_range
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.certificates.rank_model import rank_model
from eplb_opt.certificates.registry import read_certificate
from eplb_opt.errors import SolverError
from eplb_opt.exact.threshold import columns, slot_bound
from eplb_opt.exact.threshold_lp import relaxation
from eplb_opt.highs import collected_failures
from eplb_opt.native import in_own_thread
from eplb_opt.problem.pool import Pool
from eplb_opt.problem.status import Status

from ..exact.oracle_counts import optimum

PAIRS = Pool(np.array([90.0, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86]), 16, 8)
TRIPLES = Pool(np.random.default_rng(3).lognormal(0, 1, 12).round(3) * 1000, 18, 6)  # L0 < L2
HALVES = Pool(np.random.default_rng(3).lognormal(0, 1, 12).round(3) * 1000, 24, 12)  # L0 < L1
SMALL = np.array([61, 50, 23, 17, 9])  # 5 experts: their optimum is enumerated

RUNS = {  # what rests on HiGHS, and what it says where HiGHS always fails
    "cuts": (lambda: cut_bound(HALVES, np.inf), (trivial_bound(HALVES)[0], None)),
    "patterns": (lambda: pattern_bound(TRIPLES, TRIPLES.mean * 2), (trivial_bound(TRIPLES)[0], None)),
    "relaxation": (lambda: relaxation(PAIRS, columns(PAIRS, 136.0), 10.0).any(), False),
    "prices": (lambda: _prices().tolist(), [0]),
    "mean counts": (lambda: _mean_counts() is None, True),
}


def _prices():
    target = Grid(HALVES.mean).up(3720.0)
    return learn_prices(HALVES, target, *exact_range(HALVES, target), 10, 10).most


def _mean_counts():
    model = rank_model(TRIPLES, 8000.0)
    patterns, _ = list_all(TRIPLES, model, 10_000)
    return mean_counts(TRIPLES, model, patterns, np.random.default_rng(0))


@pytest.fixture
def failing(monkeypatch):
    """``failing(n)``: HiGHS fails from its run n on."""

    def fail_from(first):
        runs = iter(range(1_000_000))

        def run(call, cancel):
            return in_own_thread(call, cancel) if next(runs) < first else highspy.HighsStatus.kError

        monkeypatch.setattr("eplb_opt.highs.in_own_thread", run)

    return fail_from


@pytest.mark.parametrize("name", RUNS)
def test_a_bound_goes_on_without_its_program(name, failing):
    run, without = RUNS[name]
    healthy = run()
    assert healthy != without
    failing(0)
    with pytest.raises(SolverError, match="HiGHS failed"):
        run()  # nobody would hear of it
    with collected_failures() as causes:
        assert run() == without
        assert run() == without
    assert len(causes) == 1
    assert causes[0].startswith("HiGHS failed")


@pytest.mark.parametrize("first", [0, 4, 8, 16])
def test_what_was_proven_before_a_failure_stays(first, failing):
    whole, _ = cut_bound(HALVES, np.inf)
    failing(first)
    with collected_failures():
        bound, proof = cut_bound(HALVES, np.inf)
    assert trivial_bound(HALVES)[0] <= bound <= whole
    assert proof is None or certificate_holds(HALVES, proof)


def test_zero_duals_bound_by_the_least_counts():
    cols = columns(PAIRS, 136.0)
    bound, _ = slot_bound(PAIRS, cols, np.zeros(cols.levels))
    least = [cols.count[cols.expert == e].min() for e in range(PAIRS.num_experts)]
    assert bound == pytest.approx(sum(least))


@pytest.mark.parametrize("shape", [(8, 4), (9, 3), (8, 2)])
def test_maps_other_bounds_and_the_note_are_right(shape, failing):
    slots, ranks = shape
    instance = Instance([SMALL], slots, num_ranks=ranks)
    limits = Limits(seconds=None, work=2.0)
    failing(0)
    result = solve(instance, "optimal", limits)
    certificate = result.certificates[0]
    best = float(optimum(SMALL, slots, ranks))
    assert not result.placement.violations(instance)
    assert certificate.status is Status.OPTIMAL  # by other methods
    assert certificate.objective == pytest.approx(best)
    assert certificate.lower_bound <= best * (1 + 1e-12)
    assert all(read_certificate(proof).target <= best * (1 + 1e-12) for proof in certificate.proofs)


@pytest.mark.parametrize(("experts", "slots", "ranks"), [(12, 16, 8), (24, 36, 12)])
def test_the_note_names_the_failure(experts, slots, ranks, failing):
    loads = np.random.default_rng(5).lognormal(0, 1, (1, experts)).round(3)
    instance = Instance(loads, slots, num_ranks=ranks)
    limits = Limits(seconds=None, work=0.3, gap=0.0)
    greedy = solve(instance, "greedy", limits)
    healthy = solve(instance, "optimal", limits)
    assert healthy.certificates[0].note == ""
    failing(0)
    with pytest.warns(FallbackWarning) if slots > 2 * ranks else contextlib.nullcontext():
        result = solve(instance, "optimal", limits)
    certificate = result.certificates[0]
    assert "HiGHS failed" in certificate.note
    assert "SolverError" not in certificate.note  # no step was lost
    assert not result.placement.violations(instance)
    assert certificate.objective <= greedy.objective[0]
    trivial, _ = trivial_bound(Pool(loads[0], slots, ranks))
    assert trivial <= certificate.lower_bound <= certificate.objective
