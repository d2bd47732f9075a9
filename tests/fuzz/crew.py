"""Processes that judge chunks, one at a time each; one that dies or never ends costs its chunk, and is a fault."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

from .part import Part, Tally, judged

PATIENCE = 300.0  # seconds of a chunk, which is some seconds of work
LAST = 10.0  # seconds for a worker that is dismissed
BEGUN = "begun"  # what a worker says of a chunk first


@dataclass(frozen=True)
class Chunk:
    """A chunk of a part, by its number."""

    part: Part
    number: int


@dataclass(frozen=True)
class Done:
    """A chunk that was judged, and its processor time."""

    chunk: Chunk
    tally: Tally
    seconds: float


class Worker:
    """A process, and the chunk that it is at."""

    def __init__(self, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(other, seed))
        self.process.start()
        other.close()
        self.chunk: Chunk | None = None
        self.since = 0.0

    def give(self, chunk: Chunk) -> None:
        """Have it judge a chunk."""
        self.chunk = chunk
        self.since = time.monotonic()
        self.pipe.send((chunk.part, chunk.number))

    def dismiss(self) -> None:
        """Have it end by itself, with what it has started."""
        self.pipe.close()

    def end(self) -> None:
        """Wait for it if it was dismissed; kill it, whatever it is at, if it was not."""
        if self.pipe.closed:
            self.process.join(LAST)
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Crew:
    """So many workers; use it as a context manager."""

    def __init__(self, processes: int, seed: int, patience: float = PATIENCE) -> None:
        self.seed = seed
        self.patience = patience
        self.workers = [Worker(seed) for _ in range(processes)]

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            if worker.chunk is None:
                worker.dismiss()
        for worker in self.workers:
            worker.end()

    def idle(self) -> Worker | None:
        """A worker that is at nothing."""
        return next((worker for worker in self.workers if worker.chunk is None), None)

    def busy(self) -> list[Worker]:
        """Those that are at a chunk."""
        return [worker for worker in self.workers if worker.chunk is not None]

    def done(self, timeout: float) -> Iterator[Done]:
        """The chunks that have ended, waiting so many seconds for the first."""
        ready = wait([worker.pipe for worker in self.busy()], timeout)
        for worker in self.busy():
            if worker.pipe in ready:
                yield from self._result(worker)
            elif time.monotonic() - worker.since > self.patience:
                yield self._replaced(worker, f"no end within {self.patience:.0f} s")

    def _result(self, worker: Worker) -> Iterator[Done]:
        chunk = worker.chunk
        assert chunk is not None
        try:
            said = worker.pipe.recv()
        except EOFError:
            worker.process.join()
            yield self._replaced(worker, f"the process ended with exit code {worker.process.exitcode}")
            return
        if said == BEGUN:
            worker.since = time.monotonic()
            return
        worker.chunk = None
        yield Done(chunk, *said)

    def _replaced(self, worker: Worker, fault: str) -> Done:
        """The fault of a worker, and another one in its place."""
        chunk = worker.chunk
        assert chunk is not None
        worker.end()
        self.workers[self.workers.index(worker)] = Worker(self.seed)
        return Done(chunk, Tally(0, (fault,)), time.monotonic() - worker.since)


def _serve(pipe: Connection, seed: int) -> None:
    """Judge what comes until the pipe closes; one thread, as there is a process a core."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    while True:
        try:
            part, number = pipe.recv()
        except EOFError:
            return
        pipe.send(BEGUN)
        start = _processor_time()
        tally = judged(part, seed, number, part.size(number))
        pipe.send((tally, _processor_time() - start))


def _processor_time() -> float:
    """Of this process, and of those below it that have ended."""
    return sum(os.times()[:4])
