"""The executors by their names."""

from __future__ import annotations

from ..errors import OptionError, did_you_mean, shown
from .executor import Executor

LOCAL = "local"
EXECUTORS = (LOCAL, "ray")


def executor_named(executor: Executor | str) -> Executor | None:
    """The executor of a name; None for processes of this machine.

    Parameters
    ----------
    executor : Executor or str

    Raises
    ------
    OptionError
        There is none of that name.
    """
    if not isinstance(executor, str):
        return executor
    if executor == LOCAL:
        return None
    if executor == "ray":
        from .on_ray import RayExecutor

        return RayExecutor()
    hint = did_you_mean(executor, EXECUTORS)
    raise OptionError(
        f"executor {shown(executor)}{hint}: choose one of {', '.join(EXECUTORS)}"
    )
