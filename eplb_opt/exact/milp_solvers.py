"""The solvers of the reference MILP: HiGHS and CBC through PuLP."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pulp

from ..errors import SolverError
from ..highs import new_highs, run_highs
from ..limits import Limits
from ..problem.status import StopReason

SOLVERS = {"highs": "HiGHS", "cbc": "CBC"}  # as callers and as people write them
# How CBC's log says that there is no solution.
NO_SOLUTION = ("proven infeasible", "is infeasible", "infeasible or unbounded")


class InfeasibleError(SolverError):
    """A solver says that its model, whose objective is bounded, has no solution."""


class Run(NamedTuple):
    """What a solver came to, in the problem's own units; the values stay in the problem's variables."""

    bound: float | None
    stop: StopReason
    has_solution: bool


def run_milp(
    solver: str, problem: pulp.LpProblem, limits: Limits, nodes: int | None
) -> Run:
    """Solve a PuLP problem from its variables' initial values.

    Parameters
    ----------
    solver : str
        A key of `SOLVERS`.
    problem : LpProblem
    limits : Limits
        ``seconds``, ``gap`` and ``seed``.
    nodes : int or None
        Most nodes of the tree.

    Returns
    -------
    Run

    Raises
    ------
    InfeasibleError
        The solver says that there is no solution.
    SolverError
        The solver failed.
    """
    run = _run_highs if solver == "highs" else _run_cbc
    return run(problem, limits, nodes)


class WarmHiGHS(pulp.HiGHS):  # type: ignore[misc]
    """PuLP's HiGHS interface, which takes no warm start by itself, on a solver that is set up here."""

    def createAndConfigureSolver(self, lp: pulp.LpProblem) -> None:  # noqa: N802  (PuLP's name)
        """A solver with the options given, all of them HiGHS's own."""
        lp.solverModel = new_highs(**self.optionsDict)

    def callSolver(self, lp: pulp.LpProblem) -> None:  # noqa: N802  (PuLP's name)
        """Run HiGHS from the variables' initial values."""
        import highspy

        solution = highspy.HighsSolution()
        solution.col_value = [variable.varValue or 0.0 for variable in lp.variables()]
        solution.value_valid = True
        lp.solverModel.setSolution(solution)
        run_highs(lp.solverModel)

    def findSolutionValues(self, lp: pulp.LpProblem) -> tuple[int, int]:  # noqa: N802  (PuLP's name)
        """Values only: PuLP's table of statuses lacks some (a node limit); `_run_highs` reads HiGHS's own."""
        values = lp.solverModel.getSolution().col_value
        for variable, value in zip(lp.variables(), values, strict=True):
            variable.varValue = value
        return pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound


def _run_highs(problem: pulp.LpProblem, limits: Limits, nodes: int | None) -> Run:
    """HiGHS's own dual bound, why it stopped, whether it has a solution: PuLP says Optimal at a time limit, too."""
    import highspy

    problem.solve(WarmHiGHS(msg=False, **_highs_options(limits, nodes)))
    highs = problem.solverModel
    stop = _highs_stop(highs)
    info = highs.getInfo()
    has_bound = abs(info.mip_dual_bound) < highspy.kHighsInf
    bound = info.mip_dual_bound if has_bound else None
    feasible = highspy.SolutionStatus.kSolutionStatusFeasible
    return Run(bound, stop, info.primal_solution_status == feasible)


def _highs_stop(highs: Any) -> StopReason:
    """Why HiGHS stopped."""
    from highspy import HighsModelStatus as Status

    stops = {
        Status.kOptimal: StopReason.GAP,
        Status.kTimeLimit: StopReason.TIME,
        Status.kSolutionLimit: StopReason.WORK,
        Status.kIterationLimit: StopReason.WORK,
    }
    status = highs.getModelStatus()
    if status in (Status.kInfeasible, Status.kUnboundedOrInfeasible):
        raise InfeasibleError("HiGHS finds no solution: the greedy's map is kept")
    if status not in stops:
        name = highs.modelStatusToString(status)
        raise SolverError(f"HiGHS stopped with {name}: the greedy's map is kept")
    return stops[status]


def _highs_options(limits: Limits, nodes: int | None) -> dict[str, Any]:
    """The limits by HiGHS's names."""
    options: dict[str, Any] = {
        "random_seed": limits.seed,
        "mip_rel_gap": _gap_of_objective(limits),
        "mip_abs_gap": 0.0,
        # HiGHS 1.13 may crash in it; versions that lack the option ignore it
        "mip_heuristic_run_root_reduced_cost": False,
    }
    if nodes is not None:
        options["mip_max_nodes"] = nodes
    if limits.seconds is not None:
        options["time_limit"] = float(limits.seconds)
    return options


def _gap_of_objective(limits: Limits) -> float:
    """The gap relative to the objective, as both solvers have it; ours is relative to the bound."""
    return limits.gap / (1 + limits.gap)


def _run_cbc(problem: pulp.LpProblem, limits: Limits, nodes: int | None) -> Run:
    """CBC's bound from its log, as PuLP hands on none; why it stopped, whether it has a solution."""
    # CBC's command line is PuLP's affair; its files live in a folder of their own.
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "cbc.log"
        solver = _cbc(limits, nodes, log)
        try:
            problem.solve(solver)
        except pulp.PulpSolverError as error:
            note = f"CBC failed ({error}): the greedy's map is kept"
            raise SolverError(note) from None
        with contextlib.suppress(OSError):
            return _read_cbc_log(log.read_text(), problem)
    raise SolverError("CBC wrote no log: the greedy's map is kept")


def _cbc(limits: Limits, nodes: int | None, log: Path) -> Any:
    """CBC within limits, with its files beside its log."""
    solver = pulp.COIN_CMD(
        path=pulp.PULP_CBC_CMD.pulp_cbc_path,
        msg=False,
        warmStart=True,
        logPath=str(log),
        maxNodes=nodes,
        gapRel=_gap_of_objective(limits),
        timeLimit=limits.seconds,
        options=[f"randomCbcSeed {limits.seed + 1}"],
    )
    solver.tmpDir = str(log.parent)
    return solver


def _read_cbc_log(text: str, problem: pulp.LpProblem) -> Run:
    """As `_run_cbc`."""
    solved = (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    has_solution = problem.sol_status in solved
    bound = _value_after("Lower bound", text)
    objective = _value_after("Objective value", text)
    if "Result - Optimal solution found" in text and objective is not None:
        # Without "within gap tolerance" CBC prints no bound: the objective is it.
        proven = objective if bound is None else bound
        return Run(proven, StopReason.GAP, has_solution)
    if any(words in text for words in NO_SOLUTION):
        raise InfeasibleError("CBC finds no solution: the greedy's map is kept")
    if "Stopped on" not in text:
        raise SolverError("CBC ended without a result: the greedy's map is kept")
    stop = StopReason.WORK if "Stopped on node limit" in text else StopReason.TIME
    return Run(bound, stop, has_solution)


def _value_after(name: str, text: str) -> float | None:
    """The number on the log's line of this name."""
    found = re.search(rf"^{name}:\s+(\S+)", text, re.MULTILINE)
    return float(found[1]) if found else None
