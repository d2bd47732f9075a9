"""Tasks in worker processes within a deadline; in this process where results must not depend on the clock.

What a task finds on its way is handed over as it finds it (`Handover`), so that a worker that is killed, or dies, or an
interrupt, costs no more than the step that it is at.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

from .limits import Limits
from .methods.run import run
from .methods.task import Task
from .outcome import PoolOutcome
from .packages import require
from .problem.status import StopReason

Key = Any
NextTask = Callable[[], "tuple[Key, Task] | None"]
Done = Callable[[Key, PoolOutcome, float], None]

GRACE = 0.5  # seconds after the deadline at which a worker that does not stop is killed
IDLE = 300  # seconds that idle workers are kept for the next call
WATCH = 0.5  # seconds between a worker's looks at whether its parent lives


def run_tasks(
    method: str, next_task: NextTask, done: Done, limits: Limits, deadline: float | None
) -> None:
    """Run tasks until ``next_task`` has none or the deadline passes.

    Parameters
    ----------
    next_task : called whenever a worker is free; returns a key and a task, or None if there is none *now*.
    done : called in this process with each task's key, outcome and seconds.
    deadline : ``time.monotonic()`` value, or None: then one worker runs in this process, in order.

    Raises
    ------
    KeyboardInterrupt
        As it came, when no worker runs any more and ``done`` has been told what the tasks had found.
    """
    if deadline is None and limits.workers == 1:
        while (item := next_task()) is not None:
            _run_here(method, item, done)
        return
    require("more than one worker, or a time limit,", "loky")
    with tempfile.TemporaryDirectory(
        prefix="eplb_opt-", ignore_cleanup_errors=True
    ) as folder:
        crew = _Crew(method, done, limits.workers, Path(folder))
        try:
            crew.work(next_task, deadline)
        except KeyboardInterrupt:
            crew.stop("interrupted")
            raise


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


Pending = dict[Future[tuple[PoolOutcome, float]], tuple[Key, Task, Path]]


class _Crew:
    """Tasks at work in other processes."""

    def __init__(self, method: str, done: Done, size: int, folder: Path) -> None:
        self.method = method
        self.done = done
        self.size = size
        self.folder = folder
        self.number = 0
        self.pending: Pending = {}

    def work(self, next_task: NextTask, deadline: float | None) -> None:
        """Keep all workers busy until no task is left; at the deadline, end what is still running."""
        while True:
            while len(self.pending) < self.size and (item := next_task()) is not None:
                self._start(*item)
            if not self.pending:
                return
            timeout = (
                None
                if deadline is None
                else max(0.0, deadline + GRACE - time.monotonic())
            )
            finished, _ = wait(self.pending, timeout, return_when=FIRST_COMPLETED)
            if not finished:
                self.stop("stopped at the time limit")
                return
            for future in finished:
                self._collect(future)

    def stop(self, why: str) -> None:
        """Kill the workers, and take what their tasks had found."""
        _kill(_executor(self.size))
        stop = StopReason.INTERRUPTED if why == "interrupted" else StopReason.TIME
        while self.pending:
            _, (key, task, path) = self.pending.popitem()
            outcome = _unfinished(self.method, task, Handover(path).get(), stop, why)
            self.done(key, outcome, 0.0)

    def _start(self, key: Key, task: Task) -> None:
        path = self.folder / f"{self.number}.outcome"
        self.number += 1
        # It starts loky's tracker, which would let Ctrl-C in again.
        executor = _executor(self.size)
        with _interrupts_held():  # workers started here leave Ctrl-C to this process
            future = executor.submit(timed_run, self.method, task, path)
        self.pending[future] = key, task, path

    def _collect(self, future: Future[tuple[PoolOutcome, float]]) -> None:
        key, task, path = self.pending.pop(future)
        try:
            outcome, seconds = future.result()
        except BrokenProcessPool as error:  # a native crash or the memory killer; the next submit starts new workers
            why = f"worker process died: {error}"
            outcome = _unfinished(
                self.method,
                task,
                Handover(path).get(),
                StopReason.FAILED,
                why,
            )
            seconds = 0.0
        self.done(key, outcome, seconds)


def timed_run(
    method: str, task: Task, path: Path | None = None
) -> tuple[PoolOutcome, float]:
    """`methods.run.run` and the seconds it took; the function that workers import."""
    start = time.monotonic()
    outcome = run(method, task, Handover(path).put)
    return outcome, time.monotonic() - start


def _run_here(method: str, item: tuple[Key, Task], done: Done) -> None:
    key, task = item
    start = time.monotonic()
    handover = Handover()
    try:
        outcome = run(method, task, handover.put)
    except KeyboardInterrupt:
        partial = _unfinished(
            method,
            task,
            handover.get(),
            StopReason.INTERRUPTED,
            "interrupted",
        )
        done(key, partial, time.monotonic() - start)
        raise
    done(key, outcome, time.monotonic() - start)


def _unfinished(
    method: str, task: Task, partial: PoolOutcome | None, stop: StopReason, note: str
) -> PoolOutcome:
    """The outcome of a task that did not end by itself: what it had found, or what it was given."""
    if partial is None:
        return PoolOutcome(task.incumbent, None, stop, method, note=note)
    return replace(partial, stop=stop, note=note)


def _executor(workers: int) -> Any:
    # loky: workers that import neither the caller's main module nor its torch state, and that can be killed.
    from loky import get_reusable_executor

    return get_reusable_executor(
        max_workers=workers,
        timeout=IDLE,
        kill_workers=False,
        initializer=_begin_worker,
        initargs=(os.getpid(),),
    )


def _kill(executor: Any) -> None:
    """End an executor's processes at once; the next call starts new ones."""
    for process in list((executor._processes or {}).values()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    executor.shutdown(wait=False, kill_workers=True)


def _begin_worker(parent: int) -> None:
    """What a worker does first: leave interrupts to its parent, and end when its parent has ended."""
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
