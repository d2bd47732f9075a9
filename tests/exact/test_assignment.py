"""The reference formulations: both solvers against brute force, warm starts, rounding, tiny exports."""

from __future__ import annotations

import json
from fractions import Fraction

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from eplb_opt import Limits, OptionError, StopReason
from eplb_opt.exact import assignment_cpsat, assignment_milp, cpsat_solver, milp_solvers
from eplb_opt.exact.assignment import Assignment
from eplb_opt.problem.pool import Packing, Pool
from models.export import TINY, assignment, export, read_pool

from ..oracle import pool_optimum

WORK = Limits(seconds=None, work=20)
BACKENDS = {
    "highs": lambda pool, start, limits: assignment_milp.solve_milp(pool, start, limits, "highs"),
    "cbc": lambda pool, start, limits: assignment_milp.solve_milp(pool, start, limits, "cbc"),
    "cpsat": cpsat_solver.solve_cpsat,
}


def random_pool(seed: int, distinct: bool) -> tuple[Pool, Packing]:
    random = np.random.default_rng(seed)
    experts, ranks = int(random.integers(1, 5)), int(random.integers(1, 4))
    slots = ranks * (-(-experts // ranks) + int(random.integers(0, 2)))
    pool = Pool(random.integers(0, 30, experts).astype(float), slots, ranks, distinct and slots <= experts * ranks)
    return pool, assignment(pool).incumbent


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_against_brute_force(backend, seed, distinct):
    pool, start = random_pool(seed, distinct)
    optimum = float(pool_optimum(tuple(pool.loads.tolist()), pool.slots, pool.ranks, pool.distinct))
    outcome = BACKENDS[backend](pool, start, WORK)
    assert outcome.packing.violations(pool) == []
    assert outcome.stop is StopReason.GAP
    assert outcome.objective(pool) == pytest.approx(optimum, rel=1e-4)
    assert outcome.objective(pool) >= optimum * (1 - 1e-12)
    assert outcome.lower_bound <= optimum * (1 + 1e-12)
    assert outcome.lower_bound == pytest.approx(optimum, rel=2e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_warm_start_is_complete_and_accepted(seed, distinct):
    pool, start = random_pool(seed, distinct)
    data = Assignment.of(pool, start)
    cpsat = assignment_cpsat.build(data)
    hint = cpsat.model.proto.solution_hint
    assert sorted(hint.vars) == list(range(len(cpsat.model.proto.variables)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.fix_variables_to_their_hinted_value = True
    assert solver.solve(cpsat.model) == cp_model.OPTIMAL  # every constraint holds at the hint

    milp = assignment_milp.build(data)
    assert milp.problem.valid(eps=1e-6 * assignment_milp.SCALE)
    assert all(v.varValue is not None for v in milp.problem.variables())
    assert milp.T.varValue == pytest.approx(start.objective(pool) * milp.scale, rel=1e-9)


@pytest.mark.parametrize("solver", assignment_milp.SOLVERS)
def test_the_milp_solvers_take_the_warm_start(solver, capfd, monkeypatch):
    pool = Pool(np.array([90.0, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86]), 16, 8)
    model = assignment_milp.build(assignment(pool))
    if solver == "highs":
        model.problem.solve(milp_solvers.WarmHiGHS(output_flag=True, time_limit=0.5))
        assert "MIP start solution is feasible" in capfd.readouterr().out
    else:
        import pulp

        cbc = pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=True, warmStart=True, timeLimit=2)
        model.problem.solve(cbc)
        assert "MIPStart provided solution with cost" in capfd.readouterr().out


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=6), st.integers(1, 3))
def test_integer_scaling_keeps_bounds_valid(loads, ranks):
    slots = ranks * (-(-len(loads) // ranks) + 1)
    pool = Pool(np.array(loads), slots, ranks)
    data = assignment(pool)
    model = assignment_cpsat.build(data)
    for (e, k), scaled in model.loads[0].items():
        exact = Fraction(loads[e]) / k * model.scale
        assert scaled <= exact < scaled + 1  # rounded down: integer bounds are bounds
    mean = pool.total / pool.ranks * model.scale
    assert pool.slots_per_rank / mean <= Fraction(1, 2**22)  # what rounding can take from a rank


def test_counts_that_the_incumbent_forbids_are_left_out():
    pool = Pool(np.array([90.0, 10, 10]), 6, 3)
    data = assignment(pool)
    assert data.upper == 45
    assert data.counts == [range(2, 5), range(1, 4), range(1, 4)]
    assert all(int(c) in k for c, k in zip(data.incumbent.counts(pool), data.counts, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_time_limit_stops_with_a_bound_and_a_packing(backend):
    random = np.random.default_rng(3)
    pool = Pool(random.lognormal(sigma=1.0, size=16), 24, 8)
    outcome = BACKENDS[backend](pool, assignment(pool).incumbent, Limits(seconds=1.5))
    assert outcome.stop is StopReason.TIME
    assert outcome.packing.violations(pool) == []
    assert outcome.lower_bound is None or outcome.lower_bound <= outcome.objective(pool)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_large_model_is_refused_under_a_work_limit(backend):
    pool = Pool(np.random.default_rng(3).lognormal(size=64), 96, 16)
    outcome = BACKENDS[backend](pool, assignment(pool).incumbent, Limits(seconds=None, work=0.01))
    assert outcome.stop is StopReason.TOO_LARGE
    assert outcome.lower_bound is None


def test_unknown_solver():
    pool, start = random_pool(0, False)
    with pytest.raises(OptionError, match="highs, cbc"):
        assignment_milp.solve_milp(pool, start, WORK, "gurobi")


TINY_FILES = sorted(TINY.glob("*.json"))


@pytest.mark.parametrize("path", TINY_FILES, ids=lambda p: p.stem)
@pytest.mark.parametrize("ending", ["lp", "mps"])
def test_bare_highs_solves_the_exported_model(path, ending):
    content = json.loads(path.read_text())
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(path.with_suffix(f".{ending}")))
    highs.run()
    optimum = content["optimum"][0] / content["optimum"][1] * content["scale"]["milp"]
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    assert highs.getInfo().objective_function_value == pytest.approx(optimum, rel=1e-6)


@pytest.mark.parametrize("path", TINY_FILES, ids=lambda p: p.stem)
def test_bare_cpsat_solves_the_exported_model(path):
    content = json.loads(path.read_text())
    model = cp_model.CpModel()
    assert model.proto.parse_text_format(path.with_suffix(".cpsat.pbtxt").read_text())
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    optimum = content["optimum"][0] / content["optimum"][1] * content["scale"]["cpsat"]
    assert solver.objective_value == pytest.approx(optimum, rel=1e-6)
    assert solver.objective_value <= optimum


@pytest.mark.parametrize("path", TINY_FILES, ids=lambda p: p.stem)
def test_the_exports_are_what_the_code_builds(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_text(path.read_text())
    export(copy, tmp_path)
    for file in tmp_path.iterdir():
        assert file.read_text() == (TINY / file.name).read_text(), f"{file.name} is out of date: run make models"


@pytest.mark.parametrize("path", [p for p in TINY_FILES if p.stem != "pairs"], ids=lambda p: p.stem)
def test_the_tiny_optima_are_the_brute_force_ones(path):
    content, pool = json.loads(path.read_text()), read_pool(path)
    found = pool_optimum(tuple(pool.loads.tolist()), pool.slots, pool.ranks, pool.distinct)
    assert found == Fraction(*content["optimum"])
