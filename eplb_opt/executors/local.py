"""Processes of this machine, kept for the next call for a while."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from ..methods.task import Task
from ..packages import require
from . import memory
from .executor import Found
from .handover import timed_run

IDLE = 300  # seconds that idle workers are kept for the next call
WATCH = 0.5  # seconds between a worker's looks at whether its parent lives


class LocalExecutor:
    """Worker processes.

    Parameters
    ----------
    workers : int
    """

    # A native crash, or the memory killer; the next submit starts new workers.
    lost: tuple[type[Exception], ...] = (BrokenProcessPool,)

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def check(self) -> None:
        """Raise `MissingPackageError` without loky, `OptionError` where the bound on memory is none."""
        require("more than one worker, or a time limit,", "loky")
        memory.bound()

    def submit(self, method: str, task: Task, path: Path) -> Future[Found]:
        """Begin a task."""
        # It starts loky's tracker, which would let Ctrl-C in again.
        executor = _reused(self.workers)
        with _interrupts_held():  # workers started here leave Ctrl-C to this process
            future: Future[Found] = executor.submit(
                memory.at_task, timed_run, path, method, task
            )
        return future

    def kill(self) -> None:
        """End all workers at once."""
        _kill(_reused(self.workers))


def _reused(workers: int) -> Any:
    # loky: workers that import neither the caller's main module nor its torch state, and that can be killed.
    from loky import get_reusable_executor

    return get_reusable_executor(
        max_workers=workers,
        timeout=IDLE,
        kill_workers=False,
        initializer=_begin_worker,
        initargs=(os.getpid(), memory.bound()),
    )


def _kill(executor: Any) -> None:
    """End an executor's processes at once; the next call starts new ones."""
    for process in list((executor._processes or {}).values()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    executor.shutdown(wait=False, kill_workers=True)


def _begin_worker(parent: int, most: int) -> None:
    """What a worker does first: leave interrupts to its parent, end when that has ended, and take no more memory."""
    memory.watch(most)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)  # killed with a task at work: nobody waits for its answer

    threading.Thread(target=watch, name="eplb_opt watch", daemon=True).start()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits for the end of the block; processes started in it inherit that they do not take it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
