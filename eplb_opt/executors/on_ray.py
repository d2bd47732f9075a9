"""The processes of a Ray cluster, which somebody has started: tasks go to any of its nodes."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..methods.task import Task
from ..packages import require
from .executor import Found
from .handover import timed_run

RETRIES = 3  # of Ray itself, where a worker or its node has gone


class RayExecutor:
    """A Ray cluster, on whose nodes this package is installed in the same version.

    Parameters
    ----------
    address : str, default ``"auto"``
        Of the cluster: by default what ``RAY_ADDRESS`` says, or one that runs on this machine.

    Examples
    --------
    >>> from eplb_opt.executors.on_ray import RayExecutor
    >>> RayExecutor("10.0.0.1:6379").address
    '10.0.0.1:6379'
    """

    def __init__(self, address: str = "auto") -> None:
        self.address = address
        self.lost: tuple[type[Exception], ...] = ()
        self._run: Any = None
        self._at_work: dict[Future[Found], Any] = {}

    def check(self) -> None:
        """Join the cluster.

        Raises
        ------
        MissingPackageError
            Ray is not installed.
        OptionError
            There is no cluster at that address.
        """
        require("executor 'ray'", "ray")
        import ray

        if self._run is not None:
            return
        if not ray.is_initialized():
            try:
                ray.init(self.address, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise OptionError(
                    f"executor 'ray': no cluster at {self.address} ({_first_line(error)}): start one with "
                    "ray start --head, or set RAY_ADDRESS"
                ) from error
        self.lost = (ray.exceptions.RayError,)
        self._run = ray.remote(max_retries=RETRIES)(timed_run)

    def submit(self, method: str, task: Task, path: Path) -> Future[Found]:
        """Begin a task; nodes have no file and no clock in common, so that its share of the time alone counts there."""
        reference = self._run.remote(method, replace(task.begun(), deadline=None))
        future: Future[Found] = reference.future()
        self._at_work[future] = reference
        future.add_done_callback(lambda done: self._at_work.pop(done, None))
        return future

    def kill(self) -> None:
        """End all tasks at once."""
        import ray

        for reference in list(self._at_work.values()):
            with contextlib.suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(reference, force=True)
        self._at_work.clear()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
