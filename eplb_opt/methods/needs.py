"""Which packages a method needs, asked before any work."""

from __future__ import annotations

from ..limits import Limits
from ..packages import require
from . import METHODS

WORKERS_NEED = "loky"


def require_method(name: str, limits: Limits, needed_for: str = "") -> None:
    """Import what a method needs, or say which package to install.

    Parameters
    ----------
    name : str
        A method; one that is unknown needs nothing.
    limits : Limits
        Tasks run in worker processes if there are several workers or a wall-clock limit.
    needed_for : str, optional
        What needs it, as a person would say it; default: the method by name.

    Raises
    ------
    MissingPackageError
        A package is not installed, or its import fails.
    """
    method = METHODS.get(name)
    if method is None:
        return
    in_workers = method.improve is not None and (
        limits.workers > 1 or limits.seconds is not None
    )
    workers = (WORKERS_NEED,) if in_workers else ()
    require(needed_for or f"method {name!r}", *method.needs, *workers)
