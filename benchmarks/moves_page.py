"""The page about what moves from one map to the next, made of results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eplb_opt.plugins.history import DEFAULT as HISTORY
from eplb_opt.policies.by_method import REFINED_SLACK, RefinedPolicy

RESULTS = Path(__file__).parent / "results" / "moves.jsonl"
PAGE = Path(__file__).parent / "moves.md"
Line = dict[str, Any]

TEXT = """# From one map to the next

*Written by `python -m benchmarks.moves`: commit {commit}, {date}, {cpu}, {cores} cores, seed {seed}.*

Each window of a trace is a call that plans; a replica moves if its rank did not hold that expert. Imbalance is heaviest
over mean rank load: in the windows that were planned on, and in the *next* one. Figures are means over re-plans and
layers; percentages are of a fresh plan's imbalance, which looks at no map in use, with the standard error over layers.
*Renamed*: what would move, had ranks been renamed.

## Who moves what

Plans for one window's loads, each from the map that the policy left. `greedy` and `fresh` (`refined`) look at no map.
Peers are run from their own packages. `default`: `refined` with slack {slack} and least gain {gain_of_default}; 64 and
32 of 288: at most that part of the slots; `distinct`: with no two replicas of an expert on a rank.

{next}

## Moves against imbalance

From the fresh plan of the window before, with at most so many moves a layer.

{frontier}

## Over windows

Plans for the mean imbalance of the last {history} windows, as the plug-ins make them, each from the map that was left:
by `slack`, and by `move_price`.

{windows}

## Whether at all

`min_gain`: a layer keeps its map unless its objective falls by at least that part, with slack {slack}. Plans for one
window's loads:

{gain}

Over the last {history} windows:

{gain_windows}
{times}"""

TIMES = """
## What it costs to plan

Milliseconds a layer of a plan without and with a map in use, as policies make it, medians over calls: a fresh plan is
made only for the layers in which it decides. Commit {commit}, {date}, {cpu}, {cores} cores.

{table}
"""


def page(lines: list[Line]) -> str:
    """The page about the results."""
    by_table: dict[str, list[Line]] = {}
    for line in lines:
        by_table.setdefault(line["table"], []).append(line)
    made_by = by_table["next"][0]
    return TEXT.format(
        **{name: made_by[name] for name in ("commit", "date", "cpu", "cores", "seed")},
        slack=REFINED_SLACK,
        gain_of_default=RefinedPolicy.min_gain,
        history=HISTORY,
        next=table(by_table["next"], "policy"),
        frontier=table(by_table["frontier"], "most moves"),
        windows=table(by_table["windows"], "rule"),
        gain=table(by_table["gain"], "`min_gain`"),
        gain_windows=table(by_table["gain, windows"], "`min_gain`"),
        times=times(by_table.get("times", [])),
    )


def table(lines: list[Line], first: str) -> str:
    """A row for each trace and way, in Markdown."""
    return "\n".join(_rows(lines, first))


def _rows(lines: list[Line], first: str) -> Iterator[str]:
    yield f"| trace | {first} | moves | renamed | layers kept | planned on | next window |"
    yield "|---|---|---|---|---|---|---|"
    for line in lines:
        trace = f"{_shape(line)}, {line['replans']} re-plans"
        for name, found in line["rows"].items():
            cells = [
                trace,
                name,
                f"{found['moves']:.1f} ({found['share']:.0%})",
                f"{found['renamed']:.1f}",
                f"{found['kept']:.0%}",
                f"{found['planned']:.4f} ({found['over_fresh']:+.2%})",
                f"{found['next']:.4f} ({found['next_over_fresh']:+.1%} +- {found['error']:.1%})",
            ]
            yield "| " + " | ".join(cells) + " |"
            trace = ""


def _shape(line: Line) -> str:
    return f"{line['trace']}, {line['layers']} x {line['experts']}, {line['replicas']}/{line['ranks']}"


def times(lines: list[Line]) -> str:
    """The section about times; empty where none were measured."""
    if not lines:
        return ""
    rows = ["| trace | windows | without | with | ratio |", "|---|---|---|---|---|"]
    for line in lines:
        ratio = line["moved"] / line["anew"]
        rows.append(f"| {_shape(line)} | {line['history']} | {line['anew']:.2f} | {line['moved']:.2f} | {ratio:.2f} |")
    made_by = {name: lines[0][name] for name in ("commit", "date", "cpu", "cores")}
    return TIMES.format(**made_by, table="\n".join(rows))
