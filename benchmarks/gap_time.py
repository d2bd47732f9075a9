"""Gap against time, case by case and method by method: ``python -m benchmarks.gap_time [CASE ...]``.

Every case is solved by every method once for each time limit; printed is the mean and the largest gap over the layers,
to the bound that the method itself proved. A JSON line for each run holds the totals, with commit, machine and seed.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from eplb_opt import FallbackWarning, Limits, solve

from .cases import cases
from .environment import ROOT, environment
from .store import Store

KEY = ("case", "method", "time_limit")
RESULTS = ROOT / "benchmarks" / "results" / "gap_time.jsonl"
CASES = ["mixtral-ep8", "gptoss-ep8-r0", "gptoss-ep16", "gptoss-ep16-s3", "random-16-24-8", "random-16-32-8"]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, help=f"case names; default: {' '.join(CASES)}")
    parser.add_argument("--methods", default="milp,cpsat,optimal")
    parser.add_argument("--seconds", default="2,10,60", help="time limits of a case and method")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    machine = environment(options.seed) | {"workers": options.workers}
    store = Store(options.output, KEY)
    for name, instance in cases(options.cases):
        solve(instance, "optimal", Limits(seconds=1.0, workers=options.workers))  # starts and warms the workers
        for method in options.methods.split(","):
            for seconds in (float(x) for x in options.seconds.split(",")):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FallbackWarning)  # fallbacks show in the gaps
                    limits = Limits(seconds=seconds, workers=options.workers, seed=options.seed)
                    totals = solve(instance, method, limits).to_dict()["totals"]
                row = {"case": name, "method": method, "time_limit": seconds} | machine | {"totals": totals}
                store.put(row)
                print(f"{name:16s} {method:8s} {seconds:5.0f} s: {gap(totals)}", flush=True)


def gap(totals: dict) -> str:
    """Mean / largest gap in percent, and how many layers are OPTIMAL."""
    mean, most = ("-" if totals[k] is None else f"{totals[k] * 100:.4f}" for k in ("gap_mean", "gap_max"))
    return f"{mean} / {most} ({totals['optimal']}/{totals['layers']})"


if __name__ == "__main__":
    main()
