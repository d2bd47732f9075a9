"""What the layer tells a task, its bound and objective, against plain enumeration in fractions."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba")

from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.exact.targets import Targets, Verdict
from eplb_opt.limits import Limits
from eplb_opt.methods import optimal
from eplb_opt.methods.attempt import Attempt, Step
from eplb_opt.methods.run import run
from eplb_opt.methods.schedule import SCHEDULE
from eplb_opt.methods.task import Task
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.problem.status import StopReason

from ..exact.oracle_counts import optimum
from ..exact.test_matching import any_packing

LIMITS = Limits(seconds=None, work=2.0, gap=1e-4)
SHAPES = [(4, 6, 3), (5, 8, 4), (4, 9, 3), (5, 6, 2), (3, 4, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_bounds_are_valid_whatever_target_and_cutoff(shape):
    rng = np.random.default_rng(sum(shape))
    experts, slots, ranks = shape
    for _ in range(12):
        loads = rng.integers(1, 200, experts)
        pool, best = Pool(loads.astype(float), slots, ranks), optimum(loads, slots, ranks)
        target, cutoff = float(best) * rng.uniform(0.8, 1.2), float(best) * rng.uniform(0.9, 1.3)
        task = Task(pool, any_packing(pool), trivial_bound(pool)[0], LIMITS, 0, target, cutoff)
        outcome = run("optimal", task)
        objective = outcome.packing.objective(pool)
        assert outcome.note == ""
        assert not outcome.packing.violations(pool)
        assert Fraction(outcome.lower_bound or 0) <= best
        assert float(best) * (1 - 1e-12) <= objective <= task.incumbent.objective(pool)
        lower = max(outcome.lower_bound or 0, task.lower_bound, target)
        assert min(objective, cutoff) <= lower * (1 + LIMITS.gap) * (1 + 1e-12)  # else there was more to do


def test_nothing_is_done_for_a_pool_that_cannot_matter():
    pool = Pool(np.array([9.0, 5.0, 4.0, 3.0, 2.0]), 9, 3)
    start, lower = any_packing(pool), trivial_bound(pool)[0]
    good_enough = run("optimal", Task(pool, start, lower, LIMITS, 0, target=start.objective(pool)))
    hopeless = run("optimal", Task(pool, start, lower, LIMITS, 0, cutoff=lower))
    for outcome in (good_enough, hopeless):
        assert outcome.packing is start
        assert outcome.lower_bound is None or outcome.lower_bound <= start.objective(pool)


HARD = Pool(np.random.default_rng(5).lognormal(0, 1, 16).round(3), 24, 8)


@pytest.mark.parametrize("name", sorted({step.name for step in SCHEDULE} - {"search"}))
def test_a_step_that_raises_costs_only_itself(name, monkeypatch):
    """The search comes before it, and stays."""

    def broken(*arguments):
        raise RuntimeError("no memory")

    start = any_packing(HARD)
    schedule = [replace(step, run=broken) if step.name == name else step for step in SCHEDULE]
    monkeypatch.setattr(optimal, "SCHEDULE", schedule)
    outcome = run("optimal", Task(HARD, start, trivial_bound(HARD)[0], Limits(seconds=None, work=0.2, gap=0.0)))
    assert outcome.note == f"{name}: RuntimeError: no memory"
    assert outcome.stop is StopReason.FAILED
    assert outcome.packing.objective(HARD) < start.objective(HARD)


def test_an_invalid_packing_of_a_step_costs_only_itself(monkeypatch):
    start = any_packing(HARD)
    invalid = Packing(np.zeros_like(start.experts))
    monkeypatch.setattr("eplb_opt.search.count_ranges.search_count_ranges", lambda *_, **__: invalid)
    outcome = run("optimal", Task(HARD, start, trivial_bound(HARD)[0], Limits(seconds=None, work=0.2, gap=0.0)))
    assert "invalid packing from count ranges" in outcome.note
    assert not outcome.packing.violations(HARD)
    assert outcome.packing.objective(HARD) < start.objective(HARD)


def test_whatever_improves_is_reported_at_once():
    reports = []
    start = any_packing(HARD)
    task = Task(HARD, start, trivial_bound(HARD)[0], Limits(seconds=None, work=0.2, gap=0.0))
    outcome = run("optimal", task, reports.append)
    objectives = [report.packing.objective(HARD) for report in reports]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] == outcome.packing.objective(HARD)
    bounds = [report.lower_bound or 0.0 for report in reports]
    assert bounds == sorted(bounds)


def test_a_model_that_fails_at_two_slots_a_rank_keeps_its_bound(monkeypatch):
    pool = Pool(np.random.default_rng(0).integers(1, 100, 10).astype(float), 24, 12)  # beyond the relaxation

    def broken(*arguments):
        raise RuntimeError("CP-SAT is not itself today")

    monkeypatch.setattr("eplb_opt.exact.limit_decider.integer_counts", broken)
    known = trivial_bound(pool)[0]
    outcome = run("optimal", Task(pool, any_packing(pool), known, Limits(seconds=None, work=1.0, gap=0.0)))
    assert "CP-SAT is not itself today" in outcome.note
    assert outcome.lower_bound > known


def test_a_deadline_ends_the_search_for_targets():
    """Targets so near to each other that their number has no end."""
    looks = []

    def decide(target, budget):
        looks.append(target)
        return Verdict(None, True, 0.0)

    limits = Limits(seconds=0.05, gap=1e-9)
    targets = Targets(HARD, any_packing(HARD), limits, 0.0, "test", decide)
    targets.budget.deadline = 0.0
    for search in (targets.ascend, targets.descend):
        assert search().stop is StopReason.TIME
    assert looks == []


def test_work_ends_a_search_whose_targets_cost_nothing():
    """Every target is reached at once, by a packing that is hardly better than the one before."""
    start = any_packing(HARD)
    number = itertools.count()

    def decide(target, budget):
        return Verdict(start, False, 0.0)

    def value(packing):
        return 1000.0 * (1 - 1e-9 * next(number))

    limits = Limits(seconds=None, work=0.1, gap=1e-12)
    for search in ("ascend", "descend"):
        targets = Targets(HARD, start, limits, 0.0, "test", decide, value)
        assert getattr(targets, search)().stop is StopReason.WORK
    assert next(number) < 2000


def test_what_a_step_imports_takes_none_of_its_time(monkeypatch):
    """And where that fails, the others go on."""
    amounts = {}
    now = [100.0]
    monkeypatch.setattr("eplb_opt.budget.time", SimpleNamespace(monotonic=lambda: now[0]))

    def note(name):
        def run_step(at, budget, seed):
            amounts[name] = budget.seconds()

        return run_step

    def slow(name, package):
        if name.endswith("slow"):
            now[0] += 10.0
        else:
            raise ImportError(name)

    monkeypatch.setattr("eplb_opt.methods.attempt.importlib.import_module", slow)
    steps = [
        Step("slow", note("slow"), lambda at: True, lambda at: 0.25, modules=("slow",)),
        Step("missing", note("missing"), lambda at: True, lambda at: 0.25, modules=("missing",)),
        Step("last", note("last"), lambda at: True, lambda at: 0.25),
    ]
    monkeypatch.setattr(optimal, "SCHEDULE", steps)
    outcome = run("optimal", Task(HARD, any_packing(HARD), trivial_bound(HARD)[0], Limits(seconds=60.0, gap=0.0)))
    assert amounts == {"slow": 0.25, "last": 0.25}
    assert outcome.note.startswith("missing: ImportError")


def test_beside_a_clock_work_limits_no_search():
    found = []

    def note(at, budget, seed):
        found.append((budget.work, at.limits.work))

    attempt = Attempt(Task(HARD, any_packing(HARD), 0.0, Limits(seconds=60.0, work=0.1)), lambda _: None)
    attempt.run([Step("note", note, lambda at: True, Attempt.remaining)])
    assert found == [(float("inf"), 0.1)]
