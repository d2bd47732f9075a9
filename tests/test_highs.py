"""HiGHS as others in the process find it and leave it: same bounds, no word on standard output, nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from eplb_opt import Instance, Limits, solve
from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.errors import SolverError
from eplb_opt.exact.threshold import columns
from eplb_opt.exact.threshold_lp import relaxation
from eplb_opt.highs import new_highs, run_highs
from eplb_opt.native import in_own_thread
from eplb_opt.problem.pool import Pool

highspy = pytest.importorskip("highspy")

PAIRS = Pool(np.array([90.0, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86]), 16, 8)
SKEWED = np.random.default_rng(3).lognormal(0, 1, 12).round(3) * 1000
HALVES = Pool(SKEWED, 24, 12)  # L0 < L1
TRIPLES = Pool(SKEWED, 18, 6)  # L0 < L2
INSTANCES = [Instance([SKEWED], 24, num_ranks=12), Instance([SKEWED], 18, num_ranks=6)]
LIMITS = Limits(seconds=None, work=0.3)


def bounds():
    """What rests on HiGHS: the relaxation's duals at s = 2, L1 and L2 with their certificates, and layers' results."""
    cols = columns(PAIRS, 136.0)
    first = cut_bound(HALVES, np.inf)
    second = pattern_bound(TRIPLES, TRIPLES.mean * 2)
    proofs = [None if proof is None else proof.to_dict() for _, proof in (first, second)]
    results = [solve(instance, "optimal", LIMITS) for instance in INSTANCES]
    layers = [(c.objective, c.lower_bound, c.bound_method, c.proofs, c.note) for r in results for c in r.certificates]
    maps = [result.placement.phy2log.tolist() for result in results]
    return relaxation(PAIRS, cols, 10.0).tolist(), first[0], second[0], proofs, layers, maps


def use_highs(threads):
    """Another user of HiGHS in this process."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", threads)
    solver.addCol(1.0, 0.0, 1.0, 0, [], [])
    return solver.run()


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_another_user_of_highs_changes_no_bound(threads, is_closed):
    alone = bounds()
    assert max(alone[0]) > 0
    assert alone[1] > trivial_bound(HALVES)[0]
    assert alone[2] > trivial_bound(TRIPLES)[0]
    found = []

    def after_another_user():
        highspy.Highs.resetGlobalScheduler(True)
        assert use_highs(threads) == highspy.HighsStatus.kOk
        if is_closed:
            highspy.Highs.resetGlobalScheduler(True)  # as a careful user leaves it
        found.append(bounds())
        assert use_highs(threads) == highspy.HighsStatus.kOk  # and finds its own threads again

    thread = threading.Thread(target=after_another_user)
    thread.start()
    thread.join()
    assert found == [alone]


def test_nothing_is_printed():
    code = """
        import numpy as np
        from eplb_opt.bounds.cuts import cut_bound
        from eplb_opt.exact.assignment_milp import solve_milp
        from eplb_opt.limits import Limits
        from eplb_opt.problem.pool import Packing, Pool
        pool = Pool(np.array([5.0, 3, 2, 1]), 6, 3)
        cut_bound(pool, 10.0)
        solve_milp(pool, Packing(np.array([[0, 1], [0, 2], [3, 1]])), Limits())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_run_that_highs_refuses_is_an_error():
    solver = new_highs(threads=2)
    solver.addCol(1.0, 0.0, 1.0, 0, [], [])

    class Refused:
        """A thread of this user's own has run HiGHS with another number of threads."""

        def __getattr__(self, name):
            return getattr(solver, name)

        def run(self):
            use_highs(1)
            return solver.run()

    with pytest.raises(SolverError, match="HiGHS failed"):
        run_highs(Refused(), 1.0)


def test_a_time_limit_is_for_one_run():
    solver = new_highs()
    solver.addCol(-1.0, 0.0, 1.0, 0, [], [])
    assert all(run_highs(solver, 1e-9) for _ in range(50))
    assert not run_highs(solver, 0.0)


def test_an_error_in_the_thread_is_raised_in_the_caller():
    def fails():
        raise SolverError("from the thread")

    cancelled = []
    with pytest.raises(SolverError, match="from the thread"):
        in_own_thread(fails, lambda: cancelled.append("fails"))
    assert in_own_thread(lambda: 7, lambda: cancelled.append("7")) == 7
    assert cancelled == []


def test_an_interrupt_reaches_the_caller_at_once_and_stops_the_solver():
    stopped = threading.Event()

    def interrupted():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return stopped.wait(60)

    with pytest.raises(KeyboardInterrupt):
        in_own_thread(interrupted, stopped.set)
    assert stopped.is_set()
