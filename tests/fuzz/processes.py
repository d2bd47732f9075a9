"""Commands that are killed or interrupted at random moments, and calls that may run over their time."""

from __future__ import annotations

import random
import tempfile
import time
from functools import cache
from pathlib import Path

from benchmarks import overruns

from .. import interrupts, kills
from ..every_command import write_inputs
from .part import Part, Tally


@cache
def whole_job() -> tuple[float, object]:
    """How long the job takes that is killed, and what it comes to where nobody kills it."""
    with tempfile.TemporaryDirectory() as folder:
        kills.write_loads(Path(folder))
        start = time.monotonic()
        ended = kills.run(Path(folder), None)
        if ended.code:
            raise RuntimeError(f"the job that nobody kills ends with {ended.code}: {ended.errors}")
        return time.monotonic() - start, kills.result(Path(folder))


def kill(seed: int, number: int, count: int) -> Tally:
    """So many SIGKILLs, of one job after the other; tasks that were lost are counted."""
    source = random.Random(f"{seed} {number}")
    seconds, expected = whole_job()
    faults: list[str] = []
    killed = 0
    lost = 0
    tasks = 0
    while killed < count:
        with tempfile.TemporaryDirectory() as folder:
            kills.write_loads(Path(folder))
            runs, found = kills.killed_job(Path(folder), count - killed, kills.LATEST * seconds, source)
            if not found and kills.result(Path(folder)) != expected:
                found = ["another map or report than that of a job that nobody killed"]
        faults += found
        if runs[-1].code:
            break
        killed += sum(one.code != 0 for one in runs)
        tasks += sum(len(one.ended) for one in runs)
        lost += sum(len(set(one.begun) - set(one.ended)) for one in runs)
    return Tally(killed, tuple(faults), {"tasks that ended": tasks, "tasks lost in flight": lost})


def interrupt(seed: int, number: int, count: int) -> Tally:
    """So many interrupts, of every command in turn."""
    faults: list[str] = []
    figures = {"ended before": 0, "interrupted": 0}
    with tempfile.TemporaryDirectory() as inputs:
        write_inputs(Path(inputs))
        for name, delay, is_group in interrupts.moments(count, seed_of(seed, number)):
            with tempfile.TemporaryDirectory() as folder:
                ended = interrupts.interrupt(name, delay, is_group, Path(inputs), Path(folder))
            found = interrupts.faults(ended)
            faults += [f"{name} after {delay:.2f} s: {fault}: {ended.said}" for fault in found]
            figures["interrupted" if ended.code else "ended before"] += 1
    return Tally(count, tuple(faults), figures)


def seed_of(seed: int, number: int) -> int:
    """A seed for a chunk."""
    return seed * 1_000_003 + number


def overrun(seed: int, number: int, count: int) -> Tally:
    """So many calls with a time limit; of each what it took of what it may be over, 1 being all."""
    measures = []
    memory = 0
    for run in overruns.runs(count, seed_of(seed, number), overruns.LONGEST, overruns.WORKERS):
        measures.append(round(run.over, 4))
        memory = max(memory, overruns.memory_of_workers())
    return Tally(count, most={"bytes of a worker": memory}, measures=tuple(measures))


PARTS = (
    Part("kills", "SIGKILLs of a job with a journal", 100, 5, kill),
    Part("interrupts", "interrupts of commands", 200, 4, interrupt),
    Part("overruns", "calls with a time limit", 1_000, 5, overrun, is_timed=True),
)
