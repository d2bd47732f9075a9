"""What runs tasks elsewhere, whatever it is."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from ..methods.task import Task
from ..outcome import PoolOutcome

Found = tuple[PoolOutcome, float]  # what a task came to, and its seconds


class Executor(Protocol):
    """Runs tasks in other processes, here or elsewhere; what a task comes to does not depend on where.

    Attributes
    ----------
    lost : tuple of exception types
        What a future raises whose worker has died: the task is submitted again.
    """

    lost: tuple[type[Exception], ...]

    def check(self) -> None:
        """Say before the work what is missing.

        Raises
        ------
        MissingPackageError
            A package is not installed.
        OptionError
            There is no cluster.
        """

    def submit(self, method: str, task: Task, path: Path) -> Future[Found]:
        """Begin a task.

        Parameters
        ----------
        method : str
        task : Task
        path : Path
            A file of this machine where the task may leave what it has found on its way (`handover.Handover`).
        """

    def kill(self) -> None:
        """End all tasks at once; what is submitted later runs again."""
