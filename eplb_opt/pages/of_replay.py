"""The page about a replay: what would have been best for what came."""

from __future__ import annotations

from collections.abc import Iterator

from ..report.replay import advice_lines
from .content import Card, Cell, Figure, Number, Page, Section, Table
from .figures import GREEDY
from .replay_figures import (
    FLOOR,
    Outcome,
    Report,
    every,
    interval_figure,
    layer_figure,
    name_of,
    parts_figure,
    shown_rows,
    window_figure,
)
from .words import at_most, percentage

TITLE = "Replay of recorded traffic"


def page_of_replay(report: Report) -> Page:
    """Policies side by side on windows that they had not seen, and what to do.

    Parameters
    ----------
    report : mapping
        Of `Replay.to_dict`.
    """
    return Page(
        TITLE,
        report["instance"],
        list(_cards(report)),
        list(_sentences(report)),
        list(_sections(report)),
        report["notes"],
    )


def _cards(report: Report) -> Iterator[Card]:
    advice = report["advice"]
    yield Card(name_of(advice, report), f"recommended; re-plan: {_often(advice)}")
    yield Card(f"{advice['imbalance']:.4f}", "its mean imbalance in unseen windows")
    greedy = _compared(GREEDY, report)
    if greedy is not None:
        yield Card(f"{greedy['imbalance']:.4f}", "the greedy's that engines ship")
    floor = _compared(FLOOR, report)
    if floor is not None:
        yield Card(f"{floor['imbalance']:.4f}", "each window's own map: the floor")
    if advice["moves"]:
        yield Card(f"{advice['moves']:.1f}", "replicas of a layer move at a re-plan")


def _often(advice: Outcome) -> str:
    interval = advice["interval"]
    if interval is None:
        return "never"
    return "every window" if interval == 1 else f"every {interval} windows"


def _compared(policy: str, report: Report) -> Outcome | None:
    """A policy in the windows that the advice is judged on, with as many slots; None if it has not played."""
    advice = report["advice"]
    rows = [row for row in advice["comparisons"] if row["policy"] == policy]
    rows.sort(key=lambda row: row["replicas"] != advice["replicas"])
    return rows[0] if rows and policy != advice["policy"] else None


def _sentences(report: Report) -> Iterator[str]:
    """The advice and what it rests on, then what it is worth."""
    lines = [line[0].upper() + line[1:] for line in advice_lines(report)]
    yield f"{'. '.join(lines)}."
    greedy = _compared(GREEDY, report)
    if greedy is not None:
        yield _against(greedy, report["advice"])
    floor = _compared(FLOOR, report)
    if floor is not None:
        above = at_most(floor["imbalance"] - 1)
        yield (
            f"Even a map made for each window by itself would leave its heaviest rank {above} above the mean: much "
            "less is out of reach for any placement."
        )
    yield (
        "Imbalance is the load of the heaviest rank over the mean of all ranks: 1 is perfect. Every map is judged on "
        "windows that were not used to plan it, as in production."
    )


def _against(greedy: Outcome, advice: Outcome) -> str:
    theirs = percentage(greedy["imbalance"] - 1)
    ours = percentage(advice["imbalance"] - 1)
    saved = 1 - advice["imbalance"] / greedy["imbalance"]
    compared = (
        f"In these windows the greedy's heaviest rank is {theirs} above the mean, "
        f"the recommended one's {ours}"
    )
    if saved <= 0:
        return f"{compared}."
    return f"{compared}: it carries {percentage(saved)} fewer tokens."


def _sections(report: Report) -> Iterator[Section]:
    yield Section(
        "Who would have been best",
        ["The lower, the less waiting; moves are replicas whose weights are copied."],
        [_outcomes(report), window_figure(report), layer_figure(report)],
    )
    intervals = interval_figure(report)
    more: list[Figure | Table] = [] if intervals is None else [intervals]
    if report["advice"]["comparisons"]:
        more.append(_evidence(report))
    if more:
        words = [
            "What the recommendation would have saved over other ways, in windows on which it was not chosen where the "
            "trace is long enough."
        ]
        yield Section("How often to plan, and how sure that is", words, more)
    parts = parts_figure(report)
    if parts is not None:
        words = ["Only the map's part and the drift can be changed by placement."]
        yield Section("Map, drift and sampling", words, [parts])


def _outcomes(report: Report) -> Table:
    columns = [
        "policy",
        "re-plan every",
        "mean",
        "median",
        "95 %",
        "99 %",
        "worst layer",
        "moves",
        "seconds a plan",
    ]
    rows = [_row(row, report) for row in shown_rows(report)]
    return Table("Policies on unseen windows", columns, rows)


def _row(row: Outcome, report: Report) -> list[Cell]:
    return [
        name_of(row, report),
        Number(every(row["interval"])),
        _number(row["imbalance_mean"], ".4f"),
        _number(row["imbalance_p50"], ".4f"),
        _number(row["imbalance_p95"], ".4f"),
        _number(row["imbalance_p99"], ".4f"),
        _number(row["worst_layer_imbalance"], ".4f"),
        _number(row["moves_mean"], ".1f"),
        _number(row["plan_seconds"], ".3f"),
    ]


def _number(value: float | None, form: str) -> Number | None:
    return None if value is None else Number(format(value, form))


def _evidence(report: Report) -> Table:
    columns = [
        "compared with",
        "re-plan every",
        "mean",
        "recommended saves",
        "standard error",
        "moves",
    ]
    rows: list[list[Cell]] = [
        [
            name_of(row, report),
            Number(every(row["interval"])),
            _number(row["imbalance"], ".4f"),
            _number(row["saved"], "+.4f"),
            _number(row["error"], ".4f"),
            _number(row["moves"], ".1f"),
        ]
        for row in report["advice"]["comparisons"]
    ]
    return Table("Other ways", columns, rows)
