"""A task run and timed, and what it leaves of its way: the function that workers import."""

from __future__ import annotations

import contextlib
import pickle
import time
from pathlib import Path

from ..methods.run import run
from ..methods.task import Task
from ..outcome import PoolOutcome


class Handover:
    """Where a task leaves the best that it knows so far: in memory, or in a file that outlives its process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._latest: PoolOutcome | None = None

    def put(self, outcome: PoolOutcome) -> None:
        """Leave an outcome in place of the last one; a full disk costs the handover, not the task."""
        if self._path is None:
            self._latest = outcome
            return
        with contextlib.suppress(OSError):
            unfinished = self._path.with_suffix(".part")
            unfinished.write_bytes(pickle.dumps(outcome))
            unfinished.replace(self._path)

    def get(self) -> PoolOutcome | None:
        """The last outcome, or None. The file is our own worker's, in a folder that nobody else can write."""
        if self._path is None:
            return self._latest
        try:
            return pickle.loads(self._path.read_bytes())  # type: ignore[no-any-return]
        except (OSError, EOFError, pickle.UnpicklingError):
            return None


def timed_run(
    method: str, task: Task, path: Path | None = None
) -> tuple[PoolOutcome, float]:
    """`methods.run.run` and the seconds it took; what it finds on its way is left in a file."""
    start = time.monotonic()
    outcome = run(method, task, Handover(path).put)
    return outcome, time.monotonic() - start
