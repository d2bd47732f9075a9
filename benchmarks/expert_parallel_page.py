"""The page about a whole expert-parallel layer, made of the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt import Cost

from .environment import ROOT
from .store import read_lines

PAGE = ROOT / "benchmarks" / "expert_parallel.md"
EVEN = "even"
COST = "h100-gpt-oss-120b"
RESAMPLES = 2000
SEED = 1
MILLI = 1e3
HEAD = (
    "tokens a step", "slots", "map", "imbalance", "measured ms", "95 %", "against greedy",
    "by imbalance", "error", "by cost", "error",
)  # fmt: skip
Line = dict[str, Any]

TEXT = """# A whole expert-parallel layer, on GPUs

*Written by `python -m benchmarks.expert_parallel --page` of what `python -m benchmarks.expert_parallel` measured:
commit {commit}, {date}, {ranks} x {card}, torch {torch}, CUDA {cuda}, seed {seed}.*

A layer of gpt-oss shape (2880 x 2880, 4 experts a token), each GPU a rank: tokens are gathered and sent to their
experts' ranks (all-to-all), the experts compute (bf16, `torch._grouped_mm`), and what they make comes back and is
added up. The router and the exchange of sizes are not in it. Maps are planned on the 10-prompt windows of one half of
a recording (gpt-oss-20b, `benchmarks.foresight`), steps sampled from windows of the other half: {steps} steps a cell,
the same tokens for all maps; a step's time is the median of {repeats} runs, of which each is as long as its slowest
rank. `windows` is `refined` planned over windows, the others are planned on their sum. Intervals are 95 %, by
bootstrap over steps.

*Imbalance* is that of the steps, sampling included. Two predictions: by *imbalance*, times the step in which every
slot gets the same; by *cost*, that even step and what the slowest rank's experts take longer there, by the shipped
cost of the shape. The even step:

{even}

{summary}

{rows}
"""


def cells_of(lines: list[Line]) -> list[Line]:
    """Each map's cell, in milliseconds, with its predictions and what the greedy's map takes."""
    cost = Cost.load(COST)
    found = {(line["tokens"], line["replicas"], line["map"]): line for line in lines}
    cells = []
    for (tokens, replicas, name), line in found.items():
        if name != EVEN:
            even = found[tokens, replicas, EVEN]
            greedy = found[tokens, replicas, "greedy"]
            cells.append(_cell(line, even, greedy, cost))
    return cells


def _cell(line: Line, even: Line, greedy: Line, cost: Cost) -> Line:
    seconds = np.array(line["seconds"])
    copies = np.array(line["copies"])  # [steps, ranks, slots a rank]
    of_rank = copies.sum(axis=2)
    imbalance = of_rank.max(axis=1) / of_rank.mean(axis=1)
    least = float(np.mean(even["seconds"]))
    longer = _slowest(copies, cost) - _slowest(np.array(even["copies"]), cost)
    ratio = seconds.mean() / np.mean(greedy["seconds"]) - 1
    cell = {name: line[name] for name in ("tokens", "replicas", "map")}
    return cell | {
        "imbalance": float(imbalance.mean()),
        "measured": MILLI * float(seconds.mean()),
        "interval": tuple(MILLI * np.array(_interval(seconds))),
        "greedy": float(ratio),
        "by imbalance": MILLI * least * float(imbalance.mean()),
        "by cost": MILLI * float((least + longer).mean()),
    }


def _slowest(copies: np.ndarray, cost: Cost) -> np.ndarray:
    """Seconds of the slowest rank's experts, [steps]."""
    slowest: np.ndarray = cost(copies).sum(axis=2).max(axis=1)
    return slowest


def _interval(seconds: np.ndarray) -> tuple[float, float]:
    random = np.random.default_rng(SEED)
    drawn = random.integers(0, len(seconds), (RESAMPLES, len(seconds)))
    low, high = np.percentile(seconds[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _row(cell: Line) -> str:
    low, high = cell["interval"]
    parts = [
        f"{cell['tokens']:,}", str(cell["replicas"]), cell["map"], f"{cell['imbalance']:.3f}",
        f"{cell['measured']:.2f}", f"{low:.2f}-{high:.2f}", f"{cell['greedy']:+.1%}",
    ]  # fmt: skip
    for name in ("by imbalance", "by cost"):
        parts += [f"{cell[name]:.2f}", f"{cell[name] / cell['measured'] - 1:+.1%}"]
    return f"| {' | '.join(parts)} |"


def _summary(cells: list[Line]) -> str:
    """The errors of both predictions, for each number of tokens."""
    said = []
    for tokens in dict.fromkeys(cell["tokens"] for cell in cells):
        some = [cell for cell in cells if cell["tokens"] == tokens]
        errors = {
            name: np.array([cell[name] / cell["measured"] - 1 for cell in some]) for name in ("by imbalance", "by cost")
        }
        parts = [
            f"{name} median {np.median(np.abs(error)):.1%}, worst {error[np.abs(error).argmax()]:+.1%}"
            for name, error in errors.items()
        ]
        said.append(f"- {tokens:,} tokens a step: {'; '.join(parts)}.")
    return "Errors of the predictions:\n\n" + "\n".join(said)


def write_page(results: Path) -> None:
    """Write the page."""
    lines = read_lines(results)
    first = lines[0]
    even = "\n".join(
        f"- {line['tokens']:,} tokens on {line['replicas']} slots: {MILLI * np.mean(line['seconds']):.2f} ms"
        for line in lines
        if line["map"] == EVEN
    )
    cells = cells_of(lines)
    text = TEXT.format(
        commit=first["commit"], date=first["date"], ranks=first["ranks"], card=first["card"],
        torch=first["versions"]["torch"], cuda=first["versions"]["cuda"], seed=first["seed"], repeats=first["repeats"],
        steps=max(len(line["seconds"]) for line in lines), even=even, summary=_summary(cells),
        rows="\n".join([f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|", *map(_row, cells)]),
    )  # fmt: skip
    PAGE.write_text(text)
