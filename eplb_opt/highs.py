"""HiGHS set up in one way: silent, one thread, nothing shared with other users of HiGHS in the process."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from .errors import SolverError
from .native import in_own_thread
from .packages import require

LEAST_SECONDS = 1e-2  # of a run: HiGHS takes a limit of 0 for none at all
MOST_SECONDS = 1e9

# The causes of failed linear programs in the innermost `collected_failures` block; None outside of all blocks.
_collected: ContextVar[list[str] | None] = ContextVar(
    "failed linear programs", default=None
)


@contextlib.contextmanager
def collected_failures() -> Iterator[list[str]]:
    """Let bounds go on without a linear program that fails inside the block, and say which failed.

    Yields
    ------
    list of str
        The causes, in their order, each once; it fills while the block runs.
    """
    causes: list[str] = []
    token = _collected.set(causes)
    try:
        yield causes
    finally:
        _collected.reset(token)


def go_on_without(error: SolverError) -> None:
    """Note a failed linear program, for a caller that is sound without it: a bound is then weaker, never wrong.

    Parameters
    ----------
    error : SolverError
        What `run_highs` raised.

    Raises
    ------
    SolverError
        The same, outside of `collected_failures`: no failure is silent.
    """
    causes = _collected.get()
    if causes is None:
        raise error
    if str(error) not in causes:
        causes.append(str(error))


def new_highs(**options: Any) -> Any:
    """A `highspy.Highs` that prints nothing and uses one thread.

    Parameters
    ----------
    **options : Any
        HiGHS's own, by name, such as ``presolve="off"``.

    Returns
    -------
    highspy.Highs
        Without a model.

    Raises
    ------
    MissingPackageError
        highspy is not installed.
    """
    solver = _silent_class()()
    for name, value in {"output_flag": False, "threads": 1, **options}.items():
        solver.setOptionValue(name, value)
    return solver


def run_highs(solver: Any, seconds: float | None = None) -> bool:
    """Run a solver on its model, in a thread of its own.

    Parameters
    ----------
    solver : highspy.Highs
        As `new_highs` makes it, with a model.
    seconds : float, optional
        Wall-clock limit of this run, whatever runs came before; None: what the solver's own options say. Nothing is
        run where no time is left.

    Returns
    -------
    bool
        It is solved to optimality; if not, the solver's model status says what else.

    Raises
    ------
    SolverError
        HiGHS refuses the model or its options.
    """
    import highspy

    if seconds is not None and seconds <= 0:
        return False
    if seconds is not None:
        allowed = min(max(seconds, LEAST_SECONDS), MOST_SECONDS)
        # The limit is on the sum of all runs.
        solver.setOptionValue("time_limit", solver.getRunTime() + allowed)
    status = in_own_thread(solver.run, lambda: solver.setOptionValue("time_limit", 0.0))
    if status == highspy.HighsStatus.kError:
        raise SolverError(
            f"HiGHS failed ({solver.modelStatusToString(solver.getModelStatus())})"
        )
    return bool(solver.getModelStatus() == highspy.HighsModelStatus.kOptimal)


@functools.cache
def _silent_class() -> type[Any]:
    require("this method", "highspy")
    import highspy

    class SilentHighs(highspy.Highs):  # type: ignore[misc]
        """Silent before its constructor reaches the first call that prints: the callbacks, since HiGHS 1.15."""

        def enableCallbacks(self) -> None:  # noqa: N802  (HiGHS's name)
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()

    return SilentHighs
