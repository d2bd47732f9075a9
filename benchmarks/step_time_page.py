"""The page about measured and predicted step times, made of the results and of the shipped costs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt import Cost
from eplb_opt.sweeping.judge import Judge
from eplb_opt.sweeping.setting import Setting

from .environment import ROOT
from .step_time import sampled, tokens_digest
from .step_time_cases import CASES, Case, maps_of, sampled_layers
from .store import read_lines

PAGE = ROOT / "benchmarks" / "step_time.md"
RESAMPLES = 2000
SEED = 1
MICRO = 1e6
Line = dict[str, Any]

TEXT = """# What a step costs, measured and predicted

*Written by `python -m benchmarks.step_time --page` of results that `python -m benchmarks.step_time` measured: commit
{commit}, {date}, {card}, torch {torch}, CUDA {cuda}, seed {seed}.*

A step routes so many tokens of a recorded layer at random; there are {steps} steps a cell, each of another layer, and
all maps get the same routed tokens. Each rank's experts (gate and up, the gated activation, down;
bf16, `torch._grouped_mm`) run on one GPU, by themselves, and the slowest rank is the step's time. Communication is not
in it. A time is the lesser of two medians of {repeats} runs, with weights that no cache holds. Intervals are 95 %, by
bootstrap over steps.

*Predicted* is the mean of the slowest rank over 128 other simulated steps of the same layers, by the shipped cost of
that shape, which was fitted to none of these steps. *Same steps* is the cost's error on the measured steps themselves:
the median size over ranks and steps.

{summary}

{tables}
"""


def cells_of(case: Case, lines: list[Line]) -> Iterator[Line]:
    """Each cell of a case with its measured mean, interval and prediction, in microseconds.

    Raises
    ------
    SystemExit
        The results are not of the steps that this code samples.
    """
    cost = Cost.load(case.cost)
    load = sampled_layers(case)
    maps = list(maps_of(case, load))
    found = {(line["map"], line["tokens"]): line for line in lines}
    for tokens in case.tokens:
        judge = Judge(_setting(case, load, tokens, cost), tokens)
        steps = list(sampled(case, load, maps, tokens))
        for placed in maps:
            slots = [of_slots for _, other, of_slots in steps if other is placed]
            line = found[placed.name, tokens]
            if tokens_digest(slots) != line["tokens_sha256"]:
                raise SystemExit(f"{case.name} {placed.name}: measured with other steps, measure again")
            yield _cell(line, judge.step(placed.slots).mean, slots, cost)


def _setting(case: Case, load: np.ndarray, tokens: int, cost: Cost) -> Setting:
    replicas, ranks = case.places[0]
    return Setting(load[None], [replicas], [ranks], [tokens], cost=cost, top_k=case.top_k)


def _cell(line: Line, predicted: float, slots: list[np.ndarray], cost: Cost) -> Line:
    seconds = np.array(line["seconds"])
    slowest = seconds.max(axis=1)
    by_rank = cost(np.stack(slots)).sum(axis=2) + cost.per_rank
    worked = seconds > 0
    low, high = interval(slowest)
    return {
        "case": line["case"], "map": line["map"], "tokens": line["tokens"],
        "measured": slowest.mean() * MICRO, "low": low * MICRO, "high": high * MICRO, "predicted": predicted * MICRO,
        "error": predicted / slowest.mean() - 1,
        "same_steps": np.median(np.abs(by_rank[worked] / seconds[worked] - 1)),
    }  # fmt: skip


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % of the means of resampled values."""
    random = np.random.default_rng(SEED)
    means = random.choice(values, (RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def ordered_pairs(cells: list[Line]) -> tuple[int, int, list[tuple[Line, Line]]]:
    """Pairs of maps of a case and batch: all, those whose intervals do not overlap, and those of them misjudged."""
    apart, wrong, pairs = 0, [], 0
    for one, other in itertools.combinations(cells, 2):
        if (one["case"], one["tokens"]) != (other["case"], other["tokens"]) or _ranks(one) != _ranks(other):
            continue
        pairs += 1
        faster, slower = sorted((one, other), key=lambda cell: cell["measured"])
        if faster["high"] < slower["low"]:
            apart += 1
            if faster["predicted"] >= slower["predicted"]:
                wrong.append((faster, slower))
    return pairs, apart, wrong


def _ranks(cell: Line) -> str:
    return str(cell["map"]).rpartition("/")[2]


def summary(cells: list[Line]) -> str:
    """Median and worst error, and the order of maps."""
    errors = np.abs([cell["error"] for cell in cells])
    worst = cells[int(errors.argmax())]
    pairs, apart, wrong = ordered_pairs(cells)
    end = ", and in the wrong one:" if wrong else "."
    lines = [
        f"**Error of the predicted step time: median {np.median(errors):.1%} over {len(cells)} cells; worst "
        f"{worst['error']:+.1%} ({worst['case']}, {worst['map']}, {worst['tokens']} tokens).**",
        "",
        f"Of {pairs} pairs of maps of the same ranks and batch, {apart} have intervals that do not overlap;",
        f"the prediction has {apart - len(wrong)} of these in the right order{end}",
        *[f"- {_pair(faster, slower)}" for faster, slower in wrong],
    ]
    return "\n".join(lines)


def _pair(faster: Line, slower: Line) -> str:
    return (
        f"{faster['case']}, {faster['tokens']} tokens: {faster['map']} {faster['measured']:.0f} us (predicted "
        f"{faster['predicted']:.0f}), {slower['map']} {slower['measured']:.0f} us (predicted {slower['predicted']:.0f})"
    )


def table(cells: list[Line]) -> str:
    """A row for each map and batch."""
    names = ("tokens a step", "map", "measured us", "95 %", "predicted us", "error", "same steps")
    rows = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    rows += [
        f"| {cell['tokens']} | {cell['map']} | {cell['measured']:.0f} | {cell['low']:.0f}-{cell['high']:.0f} | "
        f"{cell['predicted']:.0f} | {cell['error']:+.1%} | {cell['same_steps']:.1%} |"
        for cell in cells
    ]
    return "\n".join(rows)


def page(lines: list[Line]) -> str:
    """The page of the results."""
    cells = [cell for case in CASES for cell in cells_of(case, [line for line in lines if line["case"] == case.name])]
    tables = [_section(case, [cell for cell in cells if cell["case"] == case.name]) for case in CASES]
    first = lines[0]
    made_by = {name: first[name] for name in ("commit", "date", "card", "seed", "repeats")}
    return TEXT.format(
        **made_by, **{name: first["versions"][name] for name in ("torch", "cuda")},
        steps=len(first["seconds"]), summary=summary(cells), tables="\n\n".join(tables),
    )  # fmt: skip


def _section(case: Case, cells: list[Line]) -> str:
    shape = f"{case.hidden} x {case.intermediate}, {case.top_k} experts a token, cost `{case.cost}`"
    return f"## {case.name}: {shape}\n\n{table(cells)}"


def write_page(results: Path) -> None:
    """Write the page, and print its summary."""
    lines = read_lines(results)
    text = page(lines)
    PAGE.write_text(text)
    print(text)
