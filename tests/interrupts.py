"""Ctrl-C at random moments: ``python -m tests.interrupts 20`` interrupts every command so often, and looks at the rest.

Exit codes are those of the signal (or of a command that had ended before), files are whole or not there, nothing of
the command goes on, and what is said is a line, not a traceback.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .every_command import CASES, COMMAND, write_inputs

LATEST = 4.0  # times as long as it takes to load the solver: when a command may be interrupted at the latest
PATIENCE = 60.0  # seconds for it to end then
GRACE = 10.0  # seconds for its workers to follow
SITE = "Failed to import the site module"  # what Python says of an interrupt in its first file


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


def interrupt(name: str, delay: float, is_group: bool, inputs: Path, folder: Path) -> Ended:
    """Run a command in an empty folder and interrupt it: the whole group, as a terminal does, or the process alone."""
    given = {path.name: path.read_bytes() for path in inputs.iterdir()}
    for file, content in given.items():
        (folder / file).write_bytes(content)
    scratch = folder / "scratch"
    scratch.mkdir()
    environ = os.environ | {"TMPDIR": str(scratch)}
    with subprocess.Popen(
        [*COMMAND, *CASES[name].arguments],
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
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path != scratch}
    outputs = CASES[name].outputs()
    held = {file: content for file, content in found.items() if file in outputs}
    left = [f"process {orphan}" for orphan in orphans]
    left += sorted(found.keys() - outputs - given.keys() - _proof_files(held))
    left += [f"{file} is another one" for file, content in given.items() if found.get(file) != content]
    left += [str(path) for path in scratch.glob("eplb_opt*")]
    return Ended(name, delay, is_group, run.returncode, said, held, left)


def _proof_files(held: dict[str, bytes]) -> set[str]:
    """What a report that is there names: long proofs lie beside it."""
    try:
        report = json.loads(held.get("report.json", b"{}"))
    except ValueError:
        return set()
    named = report.get("proof_file")
    return {named["path"]} if named else set()


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
    is_python = _is_python_starting(ended)
    if ended.code not in (*CASES[ended.name].codes, 128 + signal.SIGINT) and not is_python:
        found.append(f"exit code {ended.code}")
    if "Traceback" in ended.said and not is_python:
        found.append("a traceback")
    if ended.code == 128 + signal.SIGINT:
        found += _of_interrupted(ended)
    if "report.json" in ended.files:
        found += _of_report(ended)
    return found


def _is_python_starting(ended: Ended) -> bool:
    """Whether Python itself was interrupted before it ran a line of the command: it ends by the signal, or says so."""
    is_by_signal = ended.code == -signal.SIGINT
    is_by_site = ended.code == 1 and SITE in ended.said
    return (is_by_signal or is_by_site) and "eplb" not in ended.said


def _of_interrupted(ended: Ended) -> Iterator[str]:
    """What is said must be what is there."""
    lines = [line for line in ended.said.splitlines() if line.startswith("eplb-opt: interrupted: ")]
    if len(lines) != 1:
        yield f"{len(lines)} lines say that it was interrupted"
        return
    named = {name for name in CASES[ended.name].outputs() if name in lines[0]}
    if named != ended.files.keys():
        yield f"{sorted(ended.files)} are there, {sorted(named)} are named"


def _of_report(ended: Ended) -> Iterator[str]:
    """Files that are there must be whole."""
    try:
        report = json.loads(ended.files["report.json"])
    except ValueError as error:
        yield f"report.json: {error}"
        return
    if "map.npz" in CASES[ended.name].outputs():
        if "map.npz" not in ended.files:
            yield "a report without its map"
        elif not ended.files["map.npz"].startswith(b"PK"):
            yield "map.npz is no archive"
    # What has nothing to say half done is written when it is done.
    says_it = ended.name.split()[0] in ("solve", "gap", "replay", "report", "demo")
    if says_it and ended.code == 128 + signal.SIGINT and "interrupted" not in report:
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
    for name in itertools.islice(itertools.cycle(CASES), count):
        yield name, source.uniform(0.0, latest), source.random() < 0.5


def main() -> None:
    """Interrupt commands, say what each came to, and fail where one did what it must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20, help="interrupts a command; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    count = options.count * len(CASES)
    bad = 0
    codes: dict[str, Counter[int]] = {name: Counter() for name in CASES}
    with tempfile.TemporaryDirectory() as inputs:
        write_inputs(Path(inputs))
        for name, delay, is_group in moments(count, options.seed):
            with tempfile.TemporaryDirectory() as folder:
                ended = interrupt(name, delay, is_group, Path(inputs), Path(folder))
            found = faults(ended)
            bad += bool(found)
            codes[name][ended.code] += 1
            if found:
                whom = "group" if is_group else "process"
                print(f"{name}, {whom} after {delay:.3f} s: exit code {ended.code}, {sorted(ended.files)} {found}")
                print(ended.said, flush=True)
    for name, counted in codes.items():
        said = ", ".join(f"{number} with exit code {code}" for code, number in sorted(counted.items()))
        print(f"{name}: {said}")
    print(f"{count - bad} of {count} good; a negative code is the signal's own, while Python starts")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
