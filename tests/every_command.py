"""Every command with files that it reads and writes: for whoever looks at what commands do and leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

COMMAND = [sys.executable, "-m", "eplb_opt"]
TOPOLOGY = ["--replicas", "48", "--ranks", "16"]
REPORTED = ["--json", "report.json"]
FAST = ["--method", "greedy"]
LEFT_BEHIND = 3  # the code of `verify` where not all is proven


class Case(NamedTuple):
    """A command as it is run.

    Attributes
    ----------
    arguments : list of str
    outputs : frozenset of str
        The files that it writes if nothing stops it.
    codes : tuple of int
        What it may end with then.
    bad : list of str
        Arguments, one of which is wrong.
    """

    arguments: list[str]
    outputs: frozenset[str] = frozenset()
    codes: tuple[int, ...] = (0,)
    bad: tuple[str, ...] = ("no_such_file.npz",)


def _case(*arguments: str, bad: tuple[str, ...] | None = None, codes: tuple[int, ...] = (0,)) -> Case:
    outputs = frozenset(word for word in arguments if word.partition(".")[0] in ("map", "report", "page", "cost"))
    if bad is None:
        bad = (arguments[0], "no_such_file.npz", *arguments[2:])
    return Case(list(arguments), outputs, codes, bad)


PLANNED = ["--workers", "2", "--windows", "0"]
CALIBRATED = ["--hidden", "64", "--intermediate", "64", "--experts", "2", "-o", "cost.json"]
CASES = {
    "inspect": _case("inspect", "loads.npz", *TOPOLOGY, *REPORTED),
    "solve": _case("solve", "loads.npz", *TOPOLOGY, *PLANNED, "-o", "map.npz", *REPORTED),
    "solve over windows": _case(
        "solve", "loads.npz", *TOPOLOGY, "--workers", "2", "-o", "map.npz", *REPORTED, "--report", "page.html"
    ),
    "merge": _case("merge", "part1.sqlite", "part2.sqlite", "-o", "map.npz", *REPORTED),
    "gap": _case("gap", "loads.npz", *TOPOLOGY, *PLANNED, "--methods", "greedy,milp", *REPORTED),
    "replay": _case("replay", "loads.npz", *TOPOLOGY, *REPORTED),
    "report": _case("report", "loads.npz", *TOPOLOGY, *PLANNED, "--map", "old.npz", "-o", "page.html", *REPORTED),
    "sweep": _case(
        "sweep", "loads.npz", "--replicas", "32,48", "--ranks", "16", "--tokens-per-step", "64,4096", *REPORTED
    ),
    "diff": _case("diff", "old.npz", "new.npz", "--loads", "loads.npz", "--schedule", *REPORTED),
    "verify": _case("verify", "old.npz", "old.json", "loads.npz", *REPORTED, codes=(0, LEFT_BEHIND)),
    "convert": _case("convert", "old.npz", "map.json"),
    "demo": _case("demo", *REPORTED, bad=("demo", "no_such_word")),
    # Without a GPU it says so.
    "calibrate": _case("calibrate", *CALIBRATED, bad=("calibrate", *CALIBRATED, "--seed", "-1"), codes=(0, 2)),
    "warmup": _case("warmup", bad=("warmup", "no_such_method")),
    "completion": _case("completion", "bash", bad=("completion", "no_such_shell")),
}


def write_inputs(folder: Path) -> None:
    """Write the files that the commands read; no method is done with the loads before it is interrupted."""
    load = np.random.default_rng(0).lognormal(sigma=0.8, size=(12, 6, 32))
    np.savez(folder / "loads.npz", load=np.rint(load * 10_000))
    solve = ["solve", "loads.npz", *TOPOLOGY, *FAST, "--quiet"]
    made = [
        [*solve, "--windows", "0", "-o", "old.npz", "--json", "old.json"],
        [*solve, "--windows", "1", "-o", "new.npz"],
        [*solve, "--journal", "part1.sqlite", "--shard", "1/2"],
        [*solve, "--journal", "part2.sqlite", "--shard", "2/2"],
    ]
    for arguments in made:
        subprocess.run([*COMMAND, *arguments], cwd=folder, check=True)
