"""Imbalance of `refined` against time, by work limit: ``python -m benchmarks.curve [CASE ...]``.

Every case is run by `benchmarks.speed` with the work limits below, by the greedy and by vLLM's own policy where it is
unpacked, on one thread. ``benchmarks.curve:steps_4`` is the default policy with 4 steps, which compares with the
greedy; ``benchmarks.curve:alone_4`` leaves the comparison out; ``benchmarks.curve:plain_4`` is that without compiled
code. All work as ``--policy`` elsewhere.
"""

from __future__ import annotations

import argparse
import math
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any

from eplb_opt.policies import RefinedPolicy, configure
from eplb_opt.refined_options import STEPS

from . import speed
from .environment import ROOT
from .gaps import by_case, markdown

RESULTS = ROOT / "benchmarks" / "results" / "curve.jsonl"
NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
SHOWN = (2, 4, 5, 6, 8, 10, 12, 16, 20, 24)
NAME = "benchmarks.curve:"
OPTIONS: dict[str, dict[str, Any]] = {
    "steps": {}, "alone": {"greedy_check": math.inf}, "plain": {"greedy_check": math.inf, "compiled": False},
}  # fmt: skip
MARKS = (1e-4, 1e-3)  # changes of the mean imbalance that are counted
# Aims that were set for torch and numpy alone: mean imbalance, or mean gap, and milliseconds a call.
AIMS = {
    "ds3-decode-ep32": (("imbalance_mean", 1.0005, 2.0), ("imbalance_mean", 1.0001, 4.0)),
    "ds3-decode-ep32-r0": (("gap_mean", 0.001, 8.0),),
    "ds3-decode-ep64": (("imbalance_mean", 1.0005, 8.0),),
    "ds3-decode-ep72": (("imbalance_mean", 1.0018, 6.0), ("imbalance_mean", 1.0010, 12.0)),
    "ds3-decode-ep32-hier": (("gap_mean", 0.0005, 10.0),),
    "ds3-prefill-ep32-hier": (("gap_mean", 0.0005, 10.0),),
    "dsv2l-ep8": (("gap_mean", 0.001, 5.0),),
    "dsv2l-ep16": (("gap_mean", 0.001, 5.0),),
    "gemma4-ep16": (("gap_mean", 0.001, 5.0),),
    "gemma4-ep32": (("gap_mean", 0.001, 5.0),),
    "gptoss-ep8-r0": (("gap_mean", 0.003, 5.0),),
    "gptoss-ep8": (("gap_mean", 0.003, 5.0),),
    "gptoss-ep16": (("imbalance_mean", 1.002, 5.0),),
    "gptoss-ep16-s3": (("imbalance_mean", 1.010, 5.0),),
    "gptoss-ep32": (("imbalance_mean", 1.025, 12.0),),
    "ds3-decode-ep144": (("imbalance_mean", 1.152, 45.0),),
}


def __getattr__(name: str) -> type[RefinedPolicy]:
    kind, _, number = name.partition("_")
    if kind in OPTIONS and number.isdigit() and int(number) in NUMBERS:
        return configure(RefinedPolicy, steps=int(number), **OPTIONS[kind])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="case names; default: all")
    parser.add_argument("--peers", default="vllm", help="comma-separated; default: %(default)s")
    parser.add_argument("--repeats", default="30")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    policies = [part for kind in OPTIONS for n in SHOWN
                for part in ("--policy", f"{NAME}{kind}_{n}")]  # fmt: skip
    speed.main([
        "--methods", "greedy,refined", "--peers", options.peers, *policies, "--threads", "1",
        "--repeats", options.repeats, "--seconds", "1", "--output", str(options.output),
        *(["--cases", ",".join(options.cases)] if options.cases else []),
    ])  # fmt: skip


def table(lines: list[dict[str, Any]]) -> str:
    """One row a case: imbalance at every work limit, milliseconds, and milliseconds without compiled code."""
    rows = [["case", "vllm", "refined", *(f"{n} steps" for n in SHOWN)]]
    for case, found in by_case(lines).items():
        cells = [_cell(found.get(m)) for m in ("vllm", "refined")]
        steps = [_cell(found.get(f"{NAME}alone_{n}"), found.get(f"{NAME}plain_{n}")) for n in SHOWN]
        rows.append([case, *cells, *steps])
    return markdown(rows)


def choice(lines: list[dict[str, Any]]) -> str:
    """What half, and twice, the default steps change over the cases."""
    texts = []
    for other in (STEPS // 2, STEPS * 2):
        pairs = [(f[f"{NAME}steps_{STEPS}"], f[f"{NAME}steps_{other}"]) for f in by_case(lines).values()]
        pairs = [(a, b) for a, b in pairs if "ms" in a and "ms" in b]
        changes = [b["imbalance_mean"] / a["imbalance_mean"] - 1 for a, b in pairs]
        counted = ", ".join(f"{sum(abs(c) >= most for c in changes)} by {100 * most:g} % or more" for most in MARKS)
        times = median(b["ms"] / a["ms"] for a, b in pairs)
        verb = "raise" if other < STEPS else "lower"
        texts.append(f"{other} steps instead of {STEPS} take {times:.2f} times as long (median over {len(pairs)} "
                     f"cases) and {verb} the mean imbalance of {counted}")  # fmt: skip
    return "; ".join(texts) + "."


def aims_table(lines: list[dict[str, Any]]) -> str:
    """Of every aim: the least milliseconds at which its balance is reached, and what is reached in its time."""
    kinds = {"plain": "alone", "alone": "and compiled code", "steps": "and the comparison"}
    rows = [["case", "aim", *kinds.values(), "times faster than the best peer, alone", "alone in that time"]]
    for case, found in by_case(lines).items():
        for key, value, most in AIMS.get(case, ()):
            runs = {kind: [found[f"{NAME}{kind}_{n}"] for n in SHOWN if "ms" in found.get(f"{NAME}{kind}_{n}", {})]
                    for kind in kinds}  # fmt: skip
            reached = {kind: min((run for run in runs[kind] if run[key] <= value), key=itemgetter("ms"), default=None)
                       for kind in kinds}  # fmt: skip
            inside = min((run[key] for run in runs["plain"] if run["ms"] <= most), default=None)
            line = reached["plain"] or {}
            faster = line.get("times_faster_than_best_peer")
            rows.append([case, f"{_balance(key, value)} in {most:g} ms", *(_reached(reached[k], most) for k in kinds),
                         "-" if faster is None else f"{faster:.1f} ({line['best_peer']})",
                         "-" if inside is None else _balance(key, inside)])  # fmt: skip
    return markdown(rows)


def _reached(run: dict[str, Any] | None, most: float) -> str:
    """Milliseconds; bold where that is not within the aim's time."""
    if run is None:
        return "**not reached**"
    return f"{run['ms']:.1f}" if run["ms"] <= most else f"**{run['ms']:.1f}**"


def _balance(key: str, value: float) -> str:
    return f"{100 * value:.3g} % gap" if key == "gap_mean" else f"{value:.5g}"


def _cell(line: dict[str, Any] | None, plain: dict[str, Any] | None = None) -> str:
    if line is None or "ms" not in line:
        return "-"
    other = "" if plain is None or "ms" not in plain else f" ({plain['ms']:.1f})"
    return f"{line['imbalance_mean']:.5f} in {line['ms']:.1f}{other}"


if __name__ == "__main__":
    main()
