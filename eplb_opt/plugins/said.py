"""The plug-ins' log: each cause is said once, as an engine calls every few minutes."""

from __future__ import annotations

import logging
from collections.abc import Hashable

from ..errors import EplbError

logger = logging.getLogger("eplb_opt.plugins")
_said: set[Hashable] = set()


def report(error: Exception) -> None:
    """Say once a cause why there is no plan."""
    text = "no plan, the experts stay where they are (%s: %s); not said again"
    is_expected = isinstance(error, EplbError)
    say_once(
        _cause(error),
        logging.ERROR,
        text,
        type(error).__name__,
        error,
        exc_info=None if is_expected else error,
    )


def _cause(error: Exception) -> Hashable:
    """Causes differ by their kind, or else by where they are raised, as texts hold numbers."""
    return "no plan", type(error), getattr(error, "kind", _place(error))


def _place(error: Exception) -> tuple[str, int] | None:
    """The file and line that raised."""
    trace = error.__traceback__
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


def say_once(
    cause: Hashable,
    level: int,
    text: str,
    *arguments: object,
    exc_info: Exception | None = None,
) -> None:
    """Log a line, unless its cause was said before in this process."""
    if cause not in _said:
        _said.add(cause)
        logger.log(level, text, *arguments, exc_info=exc_info)
