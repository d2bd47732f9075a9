"""Compiling ahead of time: what numba compiles once for a cache, outside every time limit."""

from __future__ import annotations

import time
from collections.abc import Callable

from .packages import require


def warm_up(method: str = "optimal", announce: Callable[[str], None] | None = None) -> float:
    """Compile what a method calls, unless numba's cache holds it.

    Done once for an installation (or a user, where the installation is read-only); `solve` does it by itself before its
    clock starts. Later processes only load the machine code.

    Parameters
    ----------
    method : str, default ``"optimal"``
        A method of `solve`; ``greedy`` needs nothing.
    announce : callable, optional
        Called with one line before the first function is compiled; not called where all are cached.

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
    >>> seconds = warm_up()
    >>> warm_up()
    0.0
    """
    if method == "greedy":
        return 0.0
    try:
        require(f"method {method!r}", "numba")
    except ImportError:
        if method == "optimal":
            raise
        return 0.0
    from .compiled import announced, compilations

    start = time.monotonic()
    before = compilations()
    with announced(announce):
        _call_all(method)
    return time.monotonic() - start if compilations() > before else 0.0


def _call_all(method: str) -> None:
    """Call every compiled function of a method with the types that it is called with."""
    from .heuristics import refine

    refine.prepare()
    if method != "optimal":
        return
    from .exact import counts, matching
    from .heuristics import search, windows

    search.prepare()
    counts.prepare()
    windows.prepare()
    matching.prepare()
