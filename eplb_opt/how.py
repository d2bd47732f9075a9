"""How a call of `solve` is carried out: nothing here changes its result."""

from __future__ import annotations

from dataclasses import dataclass

from .executors.executor import Executor
from .standing import Progress


@dataclass(frozen=True)
class How:
    """How a call is carried out.

    Attributes
    ----------
    progress : callable or None
        Told how far it is.
    executor : Executor or None
        Where tasks run; None: in processes of this machine.
    """

    progress: Progress | None = None
    executor: Executor | None = None

    def check(self) -> None:
        """Say before the work what is missing."""
        if self.executor is not None:
            self.executor.check()
