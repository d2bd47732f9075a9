"""Compiling ahead of time: what numba compiles once for a cache, outside every time limit."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable

from .methods import METHODS
from .packages import is_usable, require
from .replanning import compile_kernels
from .spare.lighten import compile_search

logger = logging.getLogger("eplb_opt")


def warm_up(method: str = "optimal", *, windows: bool = False) -> float:
    """Compile what a method calls, unless numba's cache holds it.

    Done once for an installation (or a user, where the installation is read-only); `solve` does it by itself before its
    clock starts. Later processes only load the machine code. The logger ``eplb_opt`` says one line (INFO) before the
    first function is compiled.

    Parameters
    ----------
    method : str, default ``"optimal"``
        A method of `solve`; ``greedy`` needs nothing.
    windows : bool, default False
        Also what only objectives over several windows need.

    Returns
    -------
    float
        Seconds that compiling took; 0.0 if the cache held everything.

    Raises
    ------
    MissingPackageError
        ``optimal`` without numba; the other methods do without.

    Examples
    --------
    >>> from eplb_opt import warm_up
    >>> seconds = warm_up("refined")
    >>> warm_up("refined")
    0.0
    """
    if not _is_compiled(method):
        return 0.0
    from .compiled import announced, compilations

    start = time.monotonic()
    before = compilations()
    with announced(functools.partial(_say, method)):
        _call_all(method)
        if windows:
            _call_windows(method)
    return time.monotonic() - start if compilations() > before else 0.0


def warm_up_moves() -> float:
    """Compile what plans from a map in use call; 0.0 without numba, where they do without.

    Returns
    -------
    float
        Seconds that compiling took.
    """
    return _timed("moves", _call_moves)


def warm_up_spare() -> float:
    """Compile what makes replicas spare; 0.0 without numba, where it does without.

    Returns
    -------
    float
        Seconds that compiling took.
    """
    return _timed("spare", _call_spare)


def warm_up_times() -> float:
    """Compile what searches with a cost call; 0.0 without numba, where methods do without.

    Returns
    -------
    float
        Seconds that compiling took.
    """
    return _timed("costs", _call_times)


def _timed(what: str, call: Callable[[], None]) -> float:
    """Seconds that a call compiled for; 0.0 where it compiled nothing."""
    if not is_usable("numba"):
        return 0.0
    from .compiled import announced, compilations

    start = time.monotonic()
    before = compilations()
    with announced(functools.partial(_say, what)):
        call()
    return time.monotonic() - start if compilations() > before else 0.0


def _is_compiled(method: str) -> bool:
    """Whether a method calls compiled code here; raises `MissingPackageError` if it cannot do without numba."""
    chosen = METHODS[method]
    if chosen.place is not None and not chosen.may_do_without:
        return False
    try:
        require(f"method {method!r}", "numba")
    except ImportError:
        if "numba" in chosen.needs:
            raise
        return False
    return True


@functools.cache
def _say(method: str) -> None:
    """Said once a process and method: what one compiles, another need not compile again."""
    logger.info(
        "compiling for %r, once for this installation; no time limit counts it", method
    )


@functools.cache
def _call_all(method: str) -> None:
    """Call every compiled function of a method, once a process, with the types that it is called with."""
    METHODS[method].compile_all()


@functools.cache
def _call_windows(method: str) -> None:
    """As `_call_all`, of what plans over windows call besides."""
    METHODS[method].compile_windows()


@functools.cache
def _call_moves() -> None:
    """As `_call_all`, of what plans from a map in use call."""
    compile_kernels()


@functools.cache
def _call_times() -> None:
    """As `_call_all`, of what searches with a cost call."""
    from .costs.search import compile_kernels as compile_times

    compile_times()


@functools.cache
def _call_spare() -> None:
    """As `_call_all`, of what makes replicas spare."""
    compile_search()
