"""The manners of every command: ``python -m tests.manners`` runs each with its help, wrong input, pipes and terminals.

Exit codes are as documented, files are there whatever becomes of what is printed, errors are one line, nothing is wider
than the terminal or coloured against the user's will. Ctrl-C is looked at by ``python -m tests.interrupts``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .every_command import CASES, COMMAND, Case, write_inputs
from .terminal import shown_on_a_terminal

COLUMNS = 60
BAD = 2
ELLIPSES = ("...", "\N{HORIZONTAL ELLIPSIS}")
COLOUR = "\033[3"
TO_END = "\033[K"  # of progress, which is gone again
# The code of these is a verdict, whatever becomes of what they print.
VERDICTS = ("verify",)
FOR_SHELLS = ("completion",)  # nobody reads what these print


class Ran(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def ran(arguments: list[str], folder: Path, **environ: str) -> Ran:
    """Run the command."""
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=os.environ | environ, capture_output=True, text=True, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def helps(case: Case, folder: Path) -> Iterator[str]:
    """``--help`` has examples and fits."""
    said = ran([case.arguments[0], "--help"], folder, COLUMNS=str(COLUMNS))
    if said.code != 0:
        yield f"--help: exit code {said.code}"
    if "examples:" not in said.out:
        yield "--help has no examples"
    yield from _ill_shown(said.out, "--help")


def refuses(case: Case, folder: Path) -> Iterator[str]:
    """What is wrong is one line, and nothing is written."""
    before = sorted(folder.iterdir())
    said = ran(case.bad, folder)
    if said.code != BAD:
        yield f"bad input: exit code {said.code}"
    if said.out or said.err.count("\n") != 1 or "Traceback" in said.err:
        yield f"bad input: {said.out + said.err!r}"
    if sorted(folder.iterdir()) != before:
        yield "bad input: files are written"


def is_read_in_part(case: Case, folder: Path) -> Iterator[str]:
    """A reader that goes away changes nothing."""
    line = " ".join([*COMMAND, *case.arguments, *case.quick])
    script = f"{line} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in case.codes or "Traceback" in done.stderr:
        yield f"a pipe that closes: exit code {done.returncode}: {done.stderr}"
    yield from _missing(case, folder, done.returncode, "a pipe that closes")


def prints_nowhere(case: Case, folder: Path) -> Iterator[str]:
    """An output that is full is said; the files are there."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *case.arguments, *case.quick],
            cwd=folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    codes = case.codes if case.arguments[0] in VERDICTS else (BAD,)
    if done.returncode not in codes or "Traceback" in done.stderr:
        yield f"a full output: exit code {done.returncode}: {done.stderr}"
    yield from _missing(case, folder, done.returncode, "a full output")


def fits(case: Case, folder: Path) -> Iterator[str]:
    """On a narrow terminal without colour nothing is cut and nothing coloured."""
    environ = os.environ | {"NO_COLOR": "1"}
    code, shown = shown_on_a_terminal([*COMMAND, *case.arguments, *case.quick], folder, COLUMNS, environ)
    if code not in case.codes:
        yield f"a terminal: exit code {code}: {shown}"
    if COLOUR in shown:
        yield "NO_COLOR: coloured"
    if case.arguments[0] not in FOR_SHELLS:
        yield from _ill_shown(shown.replace(TO_END, ""), f"{COLUMNS} columns")


def _ill_shown(text: str, where: str) -> Iterator[str]:
    widest = max(map(len, text.splitlines()), default=0)
    if widest > COLUMNS:
        yield f"{where}: a line of {widest} characters"
    if any(mark in text for mark in ELLIPSES):
        yield f"{where}: something is shortened"


def _missing(case: Case, folder: Path, code: int, where: str) -> Iterator[str]:
    """The files that are not there, unless the command could not do its work."""
    if BAD in case.codes and code == BAD:
        return
    for name in sorted(case.outputs()):
        if not (folder / name).exists():
            yield f"{where}: no {name}"


CHECKS: tuple[Callable[[Case, Path], Iterator[str]], ...] = (helps, refuses, is_read_in_part, prints_nowhere, fits)


def faults(case: Case, inputs: Path) -> list[str]:
    """What a command does that it must not, each check in a folder of its own."""
    found = []
    for check in CHECKS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "here")
            shutil.copytree(inputs, folder)
            found += list(check(case, folder))
    return found


def main() -> None:
    """Check every command, say what each came to, and fail where one did what it must not."""
    bad = 0
    with tempfile.TemporaryDirectory() as name:
        write_inputs(Path(name))
        for command, case in CASES.items():
            found = faults(case, Path(name))
            bad += bool(found)
            print(f"{command}: {found or 'good'}", flush=True)
    print(f"{len(CASES) - bad} of {len(CASES)} good: {', '.join(check.__name__ for check in CHECKS)}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
