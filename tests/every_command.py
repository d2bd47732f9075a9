"""Every command with files that it reads and writes: for whoever looks at what commands do and leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

COMMAND = [sys.executable, "-m", "eplb_opt"]


class Case(NamedTuple):
    """A command as it is run.

    Attributes
    ----------
    arguments : list of str
        With work that nothing ends before it is interrupted, where the command has such work.
    quick : list of str
        What stands after them where its end is waited for.
    bad : list of str
        Arguments of which one is wrong.
    codes : tuple of int
        What it may end with.
    """

    arguments: list[str]
    quick: list[str]
    bad: list[str]
    codes: tuple[int, ...] = (0,)

    def outputs(self) -> set[str]:
        """The files that it writes if nothing stops it."""
        return {word for word in self.arguments if word.startswith(("map.", "report.", "page.", "cost."))}


def _case(
    line: str, quick: str = "", bad: str = "{} no_such_file.npz -o map.npz", codes: tuple[int, ...] = (0,)
) -> Case:
    arguments = line.split()
    return Case(arguments, quick.split(), bad.format(arguments[0]).split(), codes)


SIZES = " --replicas 48 --ranks 16"
PLANNED = f"{SIZES} --workers 2 --windows 0"
REPORTED = " --json report.json"
GREEDY = "--method greedy"
BAD_SIZES = f"{{}} no_such_file.npz{SIZES}"
SHAPE = " --hidden 64 --intermediate 64 --experts 2 -o cost.json"
CASES = {
    "inspect": _case(f"inspect loads.npz{SIZES}{REPORTED}", bad="{} no_such_file.npz"),
    "solve": _case(f"solve loads.npz{PLANNED} -o map.npz{REPORTED}", GREEDY, BAD_SIZES),
    "solve over windows": _case(
        f"solve loads.npz{SIZES} --workers 2 -o map.npz{REPORTED} --report page.html", GREEDY, BAD_SIZES
    ),
    "merge": _case(f"merge part1.sqlite part2.sqlite -o map.npz{REPORTED}"),
    "gap": _case(f"gap loads.npz{PLANNED} --methods greedy,milp{REPORTED}", "--methods greedy", BAD_SIZES),
    "replay": _case(f"replay loads.npz{SIZES}{REPORTED}", "--policies contiguous,greedy", BAD_SIZES),
    "report": _case(f"report loads.npz{PLANNED} --map old.npz -o page.html{REPORTED}", GREEDY),
    "sweep": _case(
        f"sweep loads.npz --replicas 32,48 --ranks 16 --tokens-per-step 64,4096{REPORTED}",
        GREEDY,
        f"{BAD_SIZES} --tokens-per-step 64",
    ),
    "diff": _case(f"diff old.npz new.npz --loads loads.npz --schedule{REPORTED}", bad="{} no_such_file.npz new.npz"),
    # 3: not every bound is proven again.
    "verify": _case(
        f"verify old.npz old.json loads.npz{REPORTED}", bad="{} no_such_file.npz old.json loads.npz", codes=(0, 3)
    ),
    "convert": _case("convert old.npz map.json", bad="{} no_such_file.npz map.json"),
    "demo": _case(f"demo{REPORTED}", bad="{} no_such_word"),
    # 2: there is no GPU.
    "calibrate": _case(f"calibrate{SHAPE}", bad="{} --seed -1" + SHAPE, codes=(0, 2)),
    "warmup": _case("warmup", bad="{} no_such_method"),
    "completion": _case("completion bash", bad="{} no_such_shell"),
}


def write_inputs(folder: Path) -> None:
    """Write the files that the commands read; no method is done with the loads before it is interrupted."""
    load = np.random.default_rng(0).lognormal(sigma=0.8, size=(12, 6, 32))
    np.savez(folder / "loads.npz", load=np.rint(load * 10_000))
    solve = f"solve loads.npz{SIZES} {GREEDY} --quiet"
    made = [
        f"{solve} --windows 0 -o old.npz --json old.json",
        f"{solve} --windows 1 -o new.npz",
        f"{solve} --journal part1.sqlite --shard 1/2",
        f"{solve} --journal part2.sqlite --shard 2/2",
    ]
    for line in made:
        subprocess.run([*COMMAND, *line.split()], cwd=folder, check=True)
