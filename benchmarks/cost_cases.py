"""Cases solved in time instead of tokens: ``python -m benchmarks.cost_cases [CASE ...] [--at-once N]``.

The recorded cases of DeepSeek-V3 and gpt-oss, at several tokens a step, with the measured cost that ships for the
model's experts and with the roofline of it: the larger of what reading an expert takes and of tokens times what one
takes in the largest measured batch. `optimal`, a gap of 0.1 %, the usual limit of time and two workers. A line a case,
cost and batch goes to ``results/cost_cases.jsonl``, the page ``cost_cases.md`` is made of these (with ``--page`` of
those that are there already).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from eplb_opt import Cost, Limits, Objective, Status, solve

from .cases import registry
from .environment import environment
from .store import publish

RESULTS = Path(__file__).parent / "results" / "cost_cases.jsonl"
PAGE = Path(__file__).parent / "cost_cases.md"
SEED = 0
TOKENS = (1_024, 4_096, 16_384)  # a step
GAP = 1e-3
LIMITS = Limits(workers=2, seed=SEED, gap=GAP)
# Beginning of the cases' names -> the cost that ships, and experts of a token.
MODELS = {"ds3": ("h100-deepseek-v3", 8), "gptoss": ("h100-gpt-oss-120b", 4)}
KINDS = ("roofline", "measured")

TEXT = """# Placed in time instead of tokens

*Written by `python -m benchmarks.cost_cases`: commit {commit}, {date}, {cpu}, {cores} cores, seed {seed}.*

The recorded cases of `benchmarks/README.md` with `Objective(cost=, tokens_per_step=)`, `optimal`, a gap of {gap:.1%},
{seconds:.0f} s and 2 workers, {at_once} cases at once. Layers within the gap, of all; the mean and the largest gap; the
mean of the slowest ranks' times in microseconds; and the seconds that it took. `roofline`: the larger of reading an
expert and of tokens at the rate of the largest measured batch; `measured`: the table that ships, with its steps.

{table}

Open: the bounds of `models/README.md` section 14 know totals, single replicas, what a rank holds at least and, with two
to four slots a rank in pools of few slots, what fits together on one (K5). They are of mixtures of counts and contents,
and stay below what any packing reaches where counts must be whole: in tokens, searches over counts of two slots a rank
(X4, X5) and over covers by contents (X7) go on from there. These are of loads `w / k` with a known total, and not
carried over to sizes yet. In hierarchical mode no bound in time knows which groups share a node (H3 is of loads).
Measured tables have steps (whole tiles of rows), whose least total is below what any packing reaches; with nine slots a
rank their contents are too many to be listed.
"""


def roofline(cost: Cost) -> Cost:
    """The roofline of a measured cost: of its first and of its largest batch."""
    measured = cost.to_dict()
    tokens = measured["tokens"]
    seconds = measured["seconds"]
    first = next(value for number, value in zip(tokens, seconds, strict=True) if number > 0)
    return Cost.roofline(first, seconds[-1] / tokens[-1], measured["per_rank"])


def named(case: str) -> tuple[str, int]:
    """Of a case's model the shipped cost's name, and experts of a token."""
    return MODELS[case.partition("-")[0]]


def measured(case: str, kind: str, tokens: int) -> dict[str, object]:
    """The line of a case with a cost, at so many tokens a step."""
    name, top_k = named(case)
    cost = Cost.load(name)
    if kind == "roofline":
        cost = roofline(cost)
    objective = Objective(cost=cost, tokens_per_step=tokens, top_k=top_k)
    instance = replace(registry()[case](), objective=objective)
    start = time.perf_counter()
    result = solve(instance, "optimal", LIMITS)
    seconds = time.perf_counter() - start
    gaps = [certificate.gap for certificate in result.certificates]
    return {
        "case": case, "kind": kind, "tokens": tokens, "cost": name, "top_k": top_k, "layers": len(gaps),
        "optimal": sum(certificate.status is Status.OPTIMAL for certificate in result.certificates),
        "mean gap": float(np.mean(gaps)), "largest gap": float(np.max(gaps)), "seconds": seconds,
        "microseconds": float(np.mean([certificate.objective for certificate in result.certificates])) * 1e6,
    }  # fmt: skip


def jobs(chosen: list[str]) -> list[tuple[str, str, int]]:
    """Every case with every cost and batch."""
    names = [name for name in registry() if name.partition("-")[0] in MODELS]
    unknown = set(chosen) - set(names)
    if unknown:
        raise SystemExit(f"no case {', '.join(sorted(unknown))}: choose from {', '.join(names)}")
    return [(name, kind, tokens) for name in chosen or names for kind in KINDS for tokens in TOKENS]


def table(lines: list[dict[str, object]]) -> Iterator[str]:
    """The lines as a table in Markdown, a row a case and cost."""
    yield "| case, cost | " + " | ".join(f"{tokens:,} tokens a step" for tokens in TOKENS) + " |"
    yield "|---|" + "---|" * len(TOKENS)
    rows: dict[str, list[str]] = {}
    for line in lines:
        gaps = f"{line['mean gap']:.3%} / {line['largest gap']:.3%}"
        cell = f"{line['optimal']} of {line['layers']}, {gaps}, {line['microseconds']:.0f} us, {line['seconds']:.0f} s"
        rows.setdefault(f"{line['case']}, {line['kind']}", []).append(cell)
    for name, cells in rows.items():
        yield f"| {name} | " + " | ".join(cells) + " |"


def page(lines: list[dict[str, object]]) -> str:
    """The page about the results."""
    made_by = {name: lines[0][name] for name in ("commit", "date", "cpu", "cores", "seed", "at_once")}
    return TEXT.format(**made_by, gap=GAP, seconds=LIMITS.seconds, table="\n".join(table(lines)))


def main() -> None:
    """Measure and write, or write the page alone; with names of cases these are printed and nothing is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="only these, and write nothing")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="cases at once, two cores each; default: 1")
    parser.add_argument("--page", action="store_true", help="make the page of the results that are there")
    options = parser.parse_args()
    if options.page:
        publish(RESULTS, PAGE, page, None)
        return
    made_by = environment(SEED) | {"at_once": options.at_once}
    lines = []
    with ProcessPoolExecutor(options.at_once) as processes:
        for line in processes.map(measured, *zip(*jobs(options.cases), strict=True)):
            lines.append(made_by | line)
            if options.cases:
                print(json.dumps(line), flush=True)
    if not options.cases:
        publish(RESULTS, PAGE, page, lines)


if __name__ == "__main__":
    main()
