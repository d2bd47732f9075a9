"""Ctrl-C at random moments: ``python -m tests.interrupts 20`` interrupts real commands and looks at what they leave.

Exit codes are those of the signal (or of a command that had ended before), files are whole or not there, nothing of
the command goes on, and what is said is a line, not a traceback.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

TOPOLOGY = ["--replicas", "48", "--ranks", "16", "--workers", "2"]
COMMANDS = {
    "solve": ["solve", "loads.npz", *TOPOLOGY, "--windows", "0", "-o", "map.npz", "--json", "report.json"],
    "solve over windows": ["solve", "loads.npz", *TOPOLOGY, "-o", "map.npz", "--json", "report.json"],
    "gap": ["gap", "loads.npz", *TOPOLOGY, "--windows", "0", "--methods", "greedy,milp", "--json", "report.json"],
    "replay": ["replay", "loads.npz", *TOPOLOGY, "--json", "report.json"],
}
LATEST = 4.0  # times as long as it takes to load the solver: when a command may be interrupted at the latest
PATIENCE = 60.0  # seconds for it to end then
GRACE = 10.0  # seconds for its workers to follow
FILES = {"map.npz", "report.json"}


@dataclass
class Ended:
    """What an interrupted command has left."""

    name: str
    delay: float
    is_group: bool
    code: int
    said: str
    files: dict[str, bytes]
    left_behind: list[str] = field(default_factory=list)


def write_loads(folder: Path) -> None:
    """Loads that no method is done with before it is interrupted."""
    load = np.random.default_rng(0).lognormal(sigma=0.8, size=(12, 6, 32))
    np.savez(folder / "loads.npz", load=np.rint(load * 10_000))


def interrupt(name: str, delay: float, is_group: bool, folder: Path) -> Ended:
    """Run a command and interrupt it: the whole group, as a terminal does, or the process alone."""
    scratch = folder / "scratch"
    scratch.mkdir()
    write_loads(folder)
    environ = os.environ | {"TMPDIR": str(scratch)}
    with subprocess.Popen(
        [sys.executable, "-m", "eplb_opt", *COMMANDS[name]],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as run:
        time.sleep(delay)
        if run.poll() is None:
            send = os.killpg if is_group else os.kill
            send(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE)
    orphans = _orphans(run.pid)
    held = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in FILES}
    others = {path.name for path in folder.iterdir()} - FILES - {"loads.npz", "scratch"}
    left = [f"process {orphan}" for orphan in orphans]
    left += sorted(others) + [str(path) for path in scratch.glob("eplb_opt*")]
    return Ended(name, delay, is_group, run.returncode, said, held, left)


def _orphans(session: int) -> list[str]:
    """Processes of the command's session that do not end."""
    deadline = time.monotonic() + GRACE
    while (found := list(_of_session(session))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _of_session(session: int) -> Iterator[str]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:  # it has just ended
            continue
        state, _, _, of = rest.split()[:4]
        if int(of) == session and state != "Z":
            yield f"{name})"


def faults(ended: Ended) -> list[str]:
    """What an interrupted command did that it must not."""
    found = list(ended.left_behind)
    # While Python itself starts the signal ends it, which a shell shows as 130, too.
    is_python = ended.code == -signal.SIGINT and "eplb" not in ended.said
    if ended.code not in (0, 128 + signal.SIGINT) and not is_python:
        found.append(f"exit code {ended.code}")
    if "Traceback" in ended.said and not is_python:
        found.append("a traceback")
    if ended.code == 128 + signal.SIGINT:
        found += _of_interrupted(ended)
    if "report.json" in ended.files:
        found += _of_report(ended)
    return found


def _of_interrupted(ended: Ended) -> Iterator[str]:
    """What is said must be what is there."""
    lines = [line for line in ended.said.splitlines() if line.startswith("eplb-opt: interrupted: ")]
    if len(lines) != 1:
        yield f"{len(lines)} lines say that it was interrupted"
        return
    named = {name for name in FILES if name in lines[0]}
    if named != ended.files.keys():
        yield f"{sorted(ended.files)} are there, {sorted(named)} are named"


def _of_report(ended: Ended) -> Iterator[str]:
    """Files that are there must be whole."""
    try:
        report = json.loads(ended.files["report.json"])
    except ValueError as error:
        yield f"report.json: {error}"
        return
    if "map.npz" in COMMANDS[ended.name]:
        if "map.npz" not in ended.files:
            yield "a report without its map"
        elif not ended.files["map.npz"].startswith(b"PK"):
            yield "map.npz is no archive"
    if ended.code == 128 + signal.SIGINT and "interrupted" not in report:
        yield "the report does not say whether it was interrupted"


def seconds_of_loading() -> float:
    """How long it takes here and now to load what solves."""
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", "import eplb_opt.solver"], check=True)
    return time.monotonic() - start


def moments(count: int, seed: int) -> Iterator[tuple[str, float, bool]]:
    """Commands, delays in seconds, and whether the group is interrupted: random, and every command in turn."""
    source = random.Random(seed)
    latest = LATEST * seconds_of_loading()
    names = list(COMMANDS)
    for number in range(count):
        yield names[number % len(names)], source.uniform(0.05, latest), source.random() < 0.5


def main() -> None:
    """Interrupt commands, say what each came to, and fail where one did what it must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20, help="interrupts; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    bad = 0
    for name, delay, is_group in moments(options.count, options.seed):
        with tempfile.TemporaryDirectory() as folder:
            ended = interrupt(name, delay, is_group, Path(folder))
        found = faults(ended)
        bad += bool(found)
        whom = "group" if is_group else "process"
        print(f"{name}, {whom} after {delay:.2f} s: exit code {ended.code}, {sorted(ended.files)} {found or 'good'}")
        if found:
            print(ended.said)
    print(f"{options.count - bad} of {options.count} good")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
