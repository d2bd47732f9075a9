"""Gap against time, case by case: ``python -m benchmarks.quality``.

Every case is solved by every method within the time limit; a JSON line with the layers' certificates and the times at
which gaps of 1 %, 0.1 % and 0.01 % were known is written for each, with commit, date, machine, versions and seed.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import platform
import subprocess
import warnings
from pathlib import Path

from eplb_opt import FallbackWarning, Limits, solve
from eplb_opt.formats import atomic_write

from .cases import ROOT, cases


def environment(seed: int) -> dict:
    """What a result depends on besides the code."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "eplb_opt"], capture_output=True, text=True).stdout.strip()
    packages = ("highspy", "numba", "numpy", "ortools", "pulp", "torch")
    return {
        "commit": commit + ("+changes" if changed else ""),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "cpu": model,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "seed": seed,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="case names; default: all")
    parser.add_argument("--methods", default="greedy,optimal")
    parser.add_argument("--seconds", type=float, default=60.0, help="a case and method")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "quality.jsonl")
    options = parser.parse_args()
    limits = Limits(seconds=options.seconds, workers=options.workers, seed=options.seed)
    machine = environment(options.seed) | {"workers": options.workers, "time_limit": options.seconds}
    lines = []
    for name, instance in cases(options.cases):
        for method in options.methods.split(","):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FallbackWarning)  # the certificates say the same
                result = solve(instance, method, limits)
            report = result.to_dict()
            for layer in report["layers"]:
                del layer["proofs"]  # megabytes, and solved again in a minute
            lines.append(json.dumps({"case": name} | machine | report, allow_nan=False))
            print(summary(name, method, result.totals()), flush=True)
            content = "\n".join(lines) + "\n"
            atomic_write(options.output, lambda file, text=content: file.write(text.encode()))


def summary(case: str, method: str, totals: dict) -> str:
    """One line for people."""
    times = ["-" if r["layers"] < totals["layers"] else f"{r['seconds']:.2f}" for r in totals["reached"]]
    return (
        f"{case:32s} {method:8s} imbalance {totals['imbalance_mean']:.5f}  gap % mean {totals['gap_mean'] * 100:.4f} "
        f"max {totals['gap_max'] * 100:.4f}  optimal {totals['optimal']}/{totals['layers']}  "
        f"all within 1 %, 0.1 %, 0.01 % after {', '.join(times)} s; {totals['seconds']:.1f} s"
    )


if __name__ == "__main__":
    main()
