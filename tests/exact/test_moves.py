"""Moves in the reference formulations: both solvers against brute force over all maps, symmetry, limits."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("ortools")
pytest.importorskip("pulp")
pytest.importorskip("numba")

from ortools.sat.python import cp_model

from eplb_opt import InstanceError, Limits, OptionError, SolverError, StopReason
from eplb_opt.exact import assignment_milp, moves_cpsat, moves_milp
from eplb_opt.exact.moves import MovesAssignment, impossible, moves_of
from eplb_opt.exact.moves_goal import Goal
from eplb_opt.problem.objective import Objective
from eplb_opt.problem.pool import Packing, Pool
from eplb_opt.problem.windows import Windows

from .. import moves_soundness as soundness
from ..moves_oracle import contents, fewest_moves, frontier, least_cost, least_load

WORK = Limits(seconds=None, work=20, gap=0.0)
POOL = Pool(np.array([8.0, 3.0, 1.0]), 4, 2)
IN_USE = Packing(np.array([[0, 1], [0, 2]]))
HELD = np.array([[True, True, False], [True, False, True]])
SOLVERS = (moves_milp, moves_cpsat)


def random_case(seed: int) -> soundness.Case:
    return soundness.random_case(np.random.default_rng([77, seed]))


@pytest.mark.parametrize("seed", range(30))
def test_solvers_agree_with_brute_force(seed):
    assert soundness.faults_of_solvers(random_case(seed)) == []


def test_large_coefficients_are_added_up_without_overflow():
    """OR-Tools 9.15's presolve proves 4 moves here, if it may."""
    pool = Pool(np.array([0.09483176360471288, 4.977914123137744, 0.21052205234928992, 0.8933465978938699]), 6, 3, True)
    held = np.array([[1, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1]], dtype=bool)
    outcome = moves_cpsat.fewest_moves(pool, held, 2.5526513056064513, soundness.dealt(pool), WORK)
    assert outcome.moves == outcome.lower_bound == 3


def test_a_heuristic_that_crashes_is_left_out():
    """HiGHS 1.13 ends the process on this model, if it fixes columns by their reduced costs at the root."""
    loads = [0.6951750342808933, 1.8641933645412865, 1.3002125210599782, 2.0994182498942062, 0.1500832061333383]
    pool = Pool(np.array(loads), 9, 3)
    held = np.array([[1, 0, 0, 1, 0], [1, 0, 0, 0, 1], [0, 0, 1, 1, 0]], dtype=bool)
    outcome = moves_milp.least_load(pool, held, 7, soundness.dealt(pool), WORK)
    assert outcome.stop is StopReason.GAP


@pytest.mark.parametrize("seed", range(4))
def test_cbc_does_too(seed):
    case = random_case(seed)
    outcome = moves_milp.fewest_moves(case.pool, case.held, case.target, case.start, WORK, "cbc")
    fewest = fewest_moves(case.best, Fraction(case.target) * (1 + soundness.ROUNDING))
    assert soundness.wrong_claims(case, outcome, None if fewest is None else Fraction(fewest)) == []


def test_what_is_said_of_heuristics():
    case = random_case(3)
    fewest = fewest_moves(case.best, Fraction(case.target) * (1 + soundness.ROUNDING))
    assert fewest is not None

    def exact(pool, in_use, target):
        return moves_cpsat.fewest_moves(pool, case.held, target, case.start, WORK).packing

    def invalid(pool, in_use, target):
        return Packing(np.zeros((pool.ranks, pool.slots_per_rank), dtype=np.int64))

    assert soundness.extra_moves(case, exact) == 0
    assert soundness.extra_moves(case, lambda *_: None) is None
    assert soundness.extra_moves(case, invalid) == "is invalid, or above the target"


def test_the_oracle_by_hand():
    assert contents(2, 2, distinct=False) == [(2, 0), (1, 1), (0, 2)]
    assert contents(3, 2, distinct=True) == [(1, 1, 0), (1, 0, 1), (0, 1, 1)]
    best = frontier([8.0, 3.0, 1.0], 4, 2, HELD.tolist())
    assert best[0] == 7
    assert best[1] == 8  # both replicas of the first expert on one rank, the others on the other
    assert least_load(best, 4) == min(best.values()) == 7
    assert fewest_moves(best, Fraction(7)) == 0
    assert fewest_moves(best, Fraction(6)) is None
    assert least_cost(best, Fraction(6), Fraction(1)) == Fraction(7, 6)


def test_moves_by_hand():
    assert moves_of(IN_USE, HELD) == 0
    assert moves_of(Packing(np.array([[0, 0], [1, 2]])), HELD) == 1
    assert moves_of(Packing(np.array([[2, 2], [0, 1]])), HELD) == 3


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_map_in_use_is_kept_where_it_is_best(solver):
    for outcome in (
        solver.least_load(POOL, HELD, 0, IN_USE, WORK),
        solver.least_load(POOL, HELD, np.int64(0), IN_USE, WORK),
        solver.fewest_moves(POOL, HELD, 7.0, IN_USE, WORK),
        solver.least_cost(POOL, HELD, 0.1, IN_USE, WORK),
    ):
        assert (outcome.objective, outcome.moves) == (7, 0)
        assert outcome.stop is StopReason.GAP
        assert outcome.lower_bound == pytest.approx(outcome.cost, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_moves_that_are_known_to_be_needed(solver):
    start = soundness.dealt(POOL)
    assert solver.fewest_moves(POOL, HELD, 7.0, start, WORK, known=0).moves == 0
    unsolved = solver.fewest_moves(POOL, HELD, 7.0, start, Limits(seconds=None, work=1e-4), known=2)
    assert unsolved.stop is StopReason.TOO_LARGE
    assert unsolved.lower_bound == 2


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_packing_within_the_limits(solver):
    """Too few moves for an expert that nobody holds; a target that no counts reach; one that no packing reaches."""
    held_by_none = HELD & np.array([True, True, False])
    nothing = [
        solver.least_load(POOL, held_by_none, 0, IN_USE, WORK),
        solver.fewest_moves(POOL, HELD, 5.9, IN_USE, WORK),
        solver.fewest_moves(POOL, HELD, 6.9, IN_USE, WORK),
    ]
    for outcome in nothing:
        assert (outcome.packing, outcome.moves) == (None, None)
        assert outcome.objective == outcome.cost == outcome.lower_bound == math.inf


def test_a_warm_start_within_limits_that_are_called_impossible_is_a_fault():
    a = MovesAssignment.from_held(POOL, HELD, Goal.least_load(2), IN_USE)
    with pytest.raises(SolverError, match="warm start keeps"):
        impossible(a, IN_USE, "a solver")


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_any_load_the_imbalance_is_one(solver):
    pool = Pool(np.zeros(3), 4, 2)
    start = Packing(np.array([[1, 2], [0, 0]]))
    outcome = solver.least_cost(pool, HELD, 0.25, start, WORK)
    assert (outcome.cost, outcome.moves, outcome.lower_bound) == (1.0, 0, 1.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_stopped_early_it_says_what_is_known(solver):
    random = np.random.default_rng(0)
    pool = Pool(random.lognormal(size=40), 56, 8)
    held = random.random((8, 40)) < 0.2
    start = soundness.dealt(pool)
    outcome = solver.least_load(pool, held, 56, start, Limits(seconds=1e-3, work=None))
    assert outcome.stop is StopReason.TIME
    assert pool.mean * (1 - 1e-9) <= outcome.lower_bound <= outcome.cost <= start.objective(pool)
    small = solver.least_load(pool, held, 56, start, Limits(seconds=None, work=1e-4))
    assert small.stop is StopReason.TOO_LARGE
    assert small.note.endswith("placement variables, at most 2 here")


def test_symmetry_that_stays_valid():
    """Ranks that hold the same, and experts of equal load that the same ranks hold, may be exchanged; no others."""
    pool = Pool(np.array([5.0, 5.0, 5.0, 2.0]), 8, 4)
    held = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
    a = MovesAssignment.from_held(pool, held, Goal.least_load(8), soundness.dealt(pool))
    assert list(a.alike_ranks()) == [(0, 2), (1, 3)]
    assert list(a.equal_loads()) == [(0, 1)]


@pytest.mark.parametrize("seed", range(40))
def test_the_warm_start_is_complete_and_accepted(seed):
    """Relabelled by (S3) and (S4) it has the same load and moves, and satisfies every constraint."""
    case = random_case(seed)
    pool, held, start = case.pool, case.held, case.start
    goal = Goal.least_load(pool.slots)
    a = MovesAssignment.from_held(pool, held, goal, start)
    assert moves_of(a.incumbent, held) == moves_of(start, held)
    assert sorted(a.incumbent.rank_loads(pool)) == pytest.approx(sorted(start.rank_loads(pool)))
    milp = moves_milp.build(a)
    assert milp.base.problem.valid(eps=1e-6 * assignment_milp.SCALE)
    assert all(v.varValue is not None for v in milp.base.problem.variables())
    model = moves_cpsat.build(a).base.model
    assert sorted(model.proto.solution_hint.vars) == list(range(len(model.proto.variables)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.fix_variables_to_their_hinted_value = True
    assert solver.solve(model) == cp_model.OPTIMAL


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("goal", "value", "told"),
    [
        ("least_load", -1, "max_moves=-1"),
        ("least_load", 1.5, "max_moves=1.5"),
        ("least_load", True, "max_moves=True"),
        ("fewest_moves", math.nan, "target=nan"),
        ("fewest_moves", -2.0, "target=-2.0"),
        ("least_cost", -0.1, "move_price=-0.1"),
        ("least_cost", 1e9, "from 0 to 10000"),
    ],
)
def test_limits_that_are_none(solver, goal, value, told):
    with pytest.raises(OptionError, match=told):
        getattr(solver, goal)(POOL, HELD, value, IN_USE, WORK)


@pytest.mark.parametrize("solver", SOLVERS)
def test_pools_that_do_not_fit(solver):
    with pytest.raises(InstanceError, match=r"\(3, 2\)"):
        solver.least_load(POOL, HELD.T, 1, IN_USE, WORK)
    with pytest.raises(InstanceError, match="int64"):
        solver.least_load(POOL, HELD.astype(np.int64), 1, IN_USE, WORK)
    windows = Windows(POOL.loads[None], np.ones(1), Objective("mean"))
    with pytest.raises(InstanceError, match="mix"):
        solver.least_load(Pool(POOL.loads, 4, 2, windows=windows), HELD, 1, IN_USE, WORK)


def test_unknown_solver():
    with pytest.raises(OptionError, match="highs, cbc"):
        moves_milp.least_load(POOL, HELD, 1, IN_USE, WORK, "cplex")
