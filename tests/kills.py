"""SIGKILL at random moments: ``python -m tests.kills 100`` kills a journalled job and all its processes, and goes on.

A task that had ended before a kill is never begun again: at most those in flight are lost, one a worker. The map and
the report of the job that was killed are, apart from times, those of a job that nobody killed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .merging.reports import without_times

WORKERS = 2
FILES = ["-o", "map.npz", "--json", "report.json"]
JOB = ["solve", "loads.npz", "--replicas", "24", "--ranks", "8", "--work", "0.02", "--gap", "1e-4"]
JOB += ["--workers", str(WORKERS), *FILES]
LATEST = 1.2  # of the seconds that the job takes: when it is killed at the latest
# A child that says on standard output which tasks begin and end, before and after all that the job does of them.
CHILD = """
import sys
from eplb_opt import cli, resumed

def next_task(tasks, take=resumed.Resumed.next_task):
    item = take(tasks)
    if item is not None:
        print("begun", item[0], item[1].attempt, flush=True)
        tasks.attempts = getattr(tasks, "attempts", {}) | {item[0]: item[1].attempt}
    return item

def done(tasks, key, *found, take=resumed.Resumed.done):
    attempt = tasks.attempts[key]
    take(tasks, key, *found)
    print("ended", key, attempt, flush=True)

resumed.Resumed.next_task = next_task
resumed.Resumed.done = done
sys.exit(cli.main(sys.argv[1:]))
"""


@dataclass
class Run:
    """What a run of the job has said until it ended or was killed."""

    code: int
    begun: list[str]
    ended: list[str]
    errors: str


def write_loads(folder: Path, layers: int = 8) -> None:
    """Loads of which every layer takes a task."""
    load = np.random.default_rng(1).lognormal(0, 1, (layers, 16)).round(3)
    np.savez(folder / "loads.npz", load=load, layer_ids=np.arange(layers))


def run(folder: Path, journal: str | None, seconds: float | None = None) -> Run:
    """Run the job, and kill it with all its processes after some seconds."""
    told = [] if journal is None else ["--journal", journal]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD if told else "from eplb_opt import cli; cli.main()", *JOB, *told],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            said, errors = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            said, errors = child.communicate()
    lines = [line.partition(" ") for line in said.splitlines()]
    begun = [task for word, _, task in lines if word == "begun"]
    ended = [task for word, _, task in lines if word == "ended"]
    return Run(child.returncode, begun, ended, errors)


def result(folder: Path) -> tuple[bytes, object]:
    """Map and report, without times and without what the number of runs changes."""
    report = json.loads((folder / "report.json").read_text())
    return (folder / "map.npz").read_bytes(), without_times(report)


def faults(runs: list[Run]) -> list[str]:
    """What runs of a job, each but the last one killed, did that they must not."""
    found = []
    ended: set[str] = set()
    for number, one in enumerate(runs):
        again = ended & set(one.begun)
        found += [f"run {number} begins again what had ended: {task}" for task in sorted(again)]
        lost = set(one.begun) - set(one.ended)
        if len(lost) > WORKERS:
            found.append(f"run {number} loses {len(lost)} tasks")
        if one.code not in (0, -signal.SIGKILL):
            found.append(f"run {number}: exit code {one.code}: {one.errors}")
        ended |= set(one.ended)
    return found


def killed_job(folder: Path, kills: int, latest: float, source: random.Random) -> tuple[list[Run], list[str]]:
    """The job of a folder, killed so often, unless it has ended before; its runs, and what is wrong."""
    runs: list[Run] = []
    while not runs or runs[-1].code:
        is_last = len(runs) == kills
        runs.append(run(folder, "job.sqlite", None if is_last else source.uniform(0.1, latest)))
        if runs[-1].code not in (0, -signal.SIGKILL):
            break
    return runs, faults(runs)


def main() -> None:
    """Kill jobs, say what each came to, and fail where one did what it must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20, help="kills; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    source = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_loads(folder)
        start = time.monotonic()
        whole = run(folder, None)
        latest = LATEST * (time.monotonic() - start)
        expected = result(folder)
    assert whole.code == 0, whole.errors
    kills = bad = lost = jobs = 0
    while kills < options.count:
        with tempfile.TemporaryDirectory() as name:
            write_loads(Path(name))
            runs, found = killed_job(Path(name), options.count - kills, latest, source)
            if not found and result(Path(name)) != expected:
                found = ["another map or report than that of a job that nobody killed"]
        jobs += 1
        kills += sum(one.code != 0 for one in runs)
        in_flight = [len(set(one.begun) - set(one.ended)) for one in runs if one.code]
        lost = max([lost, *in_flight])
        bad += bool(found)
        tasks = sum(len(one.ended) for one in runs)
        print(f"job {jobs}: {len(runs) - 1} kills, {tasks} tasks, in flight {in_flight}: {found or 'good'}", flush=True)
        if runs[-1].code not in (0, -signal.SIGKILL):
            break
    print(f"{kills} SIGKILLs, {jobs} jobs, {bad} with faults; at most {lost} tasks in flight, on {WORKERS} workers")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
