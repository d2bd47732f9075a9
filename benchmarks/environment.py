"""What a result depends on besides its arguments: code, machine, versions. Written into every line of the results."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# What a result is made by; how it is shown afterwards is not part of it.
CODE = ("eplb_opt", "benchmarks/peers", *(f"benchmarks/{name}.py" for name in
        ("bounds", "cases", "methods", "quality", "speed")))  # fmt: skip
PACKAGES = ("highspy", "numba", "numpy", "ortools", "pulp", "torch")


def environment(seed: int) -> dict[str, Any]:
    """Commit of the code, date, CPU, cores this process may use, versions and seed."""
    return {
        "commit": code_version(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _installed(name))},
        "seed": seed,
    }


def code_version() -> str:
    """The last commit that changed the code; changes not committed add a hash of themselves.

    ``EPLB_OPT_COMMIT`` says it where the history is not that of the code, as in a copy on another machine.
    """
    if "EPLB_OPT_COMMIT" in os.environ:
        return os.environ["EPLB_OPT_COMMIT"]
    commit = _git("log", "-1", "--format=%h", "--abbrev=12", "--", *CODE)
    changes = _git("diff", "HEAD", "--", *CODE)
    return (commit or "unknown") + (f"+{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else "")


def cpu_model() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())


def origin(row: dict[str, Any]) -> str:
    """Commit, machine, limits and versions of a line, for people."""
    versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
    cores = f" (cores used: {row['cores']})" if "cores" in row else ""
    limits = f"{row['workers']} workers, time limit {row['time_limit']:g} s, " if row.get("time_limit") else ""
    machine = f"{row['cpu']}{cores}" + (f", {row['device']}" if row.get("device", "cpu") != "cpu" else "")
    head = [f"Commit {row['commit']}", row["date"], machine, f"{limits}seed {row['seed']}", f"Python {row['python']}"]
    return ", ".join([*head, versions]) + "."


def _git(*arguments: str) -> str:
    try:
        run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # an archive without its history
        return ""
    return run.stdout.strip()


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
