"""What ``replay`` found, for people: tables and the advice; they read what ``--json`` writes and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .figures import counted
from .layout import Column
from .worth import WITHOUT_EPLB, time_saved

SCHEMA = "eplb_opt.replay/1"  # of what `eplb-opt replay --json` writes
Rows = Sequence[Mapping[str, Any]]


def _said(value: float | None, form: str = ".4f") -> str:
    return "-" if value is None else format(value, form)


def _every(interval: int | None) -> str:
    return "never" if interval is None else str(interval)


def _figures(rows: Rows, key: str, form: str = ".4f") -> list[str]:
    return [_said(row[key], form) for row in rows]


def _slots(rows: Rows) -> list[Column]:
    """The column of replicas, where their number differs."""
    numbers = [str(row["replicas"]) for row in rows]
    return [Column("slots", numbers)] if len(set(numbers)) > 1 else []


def shown_rows(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The outcomes that tables show."""
    return [row for row in report["outcomes"] if row["shown"]]


def outcome_table(report: Mapping[str, Any]) -> list[Column]:
    """Policies side by side, one row for each number of replicas.

    Parameters
    ----------
    report : mapping
        Of `Replay.to_dict`, as for all tables here.
    """
    rows = shown_rows(report)
    return [
        Column("policy", [row["policy"] for row in rows], left=True, folds=True),
        *_slots(rows),
        Column("every", [_every(row["interval"]) for row in rows], order=3),
        Column("mean", _figures(rows, "imbalance_mean")),
        Column("p50", _figures(rows, "imbalance_p50"), order=4),
        Column("p95", _figures(rows, "imbalance_p95"), order=2),
        Column("p99", _figures(rows, "imbalance_p99"), order=5),
        Column("layer", _figures(rows, "worst_layer_imbalance"), order=6),
        Column("moves", _figures(rows, "moves_mean", ".1f"), order=1),
        Column("plan s", _figures(rows, "plan_seconds", ".3f"), order=7),
    ]


def moves_table(report: Mapping[str, Any]) -> list[Column]:
    """What moves at a re-plan, of policies that are shown and re-plan; no columns if none does."""
    rows = [row for row in shown_rows(report) if row["moves_mean"] is not None]
    if not rows:
        return []
    return [
        Column("policy", [row["policy"] for row in rows], left=True, folds=True),
        *_slots(rows),
        Column("re-plans", [str(row["plans"] - 1) for row in rows], order=2),
        Column("moves", _figures(rows, "moves_mean", ".1f")),
        Column("share", _figures(rows, "moves_share", ".0%")),
        Column("renamed", _figures(rows, "renamed_moves_mean", ".1f")),
        Column("mean", _figures(rows, "imbalance_mean"), order=1),
    ]


def interval_table(report: Mapping[str, Any]) -> list[Column]:
    """The advised policy and number of replicas at every interval."""
    advice = report["advice"]
    rows = [
        row
        for row in report["outcomes"]
        if row["policy"] == advice["policy"] and row["replicas"] == advice["replicas"]
    ]
    return [
        Column("every", [_every(row["interval"]) for row in rows]),
        Column("plans", [str(row["plans"]) for row in rows]),
        Column("mean", _figures(rows, "imbalance_mean")),
        Column("p95", _figures(rows, "imbalance_p95")),
        Column("seen", _figures(rows, "seen_imbalance")),
        Column("moves", _figures(rows, "moves_mean", ".1f")),
        Column("share", _figures(rows, "moves_share", ".0%")),
    ]


def parts_table(report: Mapping[str, Any]) -> list[Column]:
    """What the imbalance above 1 is made of; without a step's tokens there are no columns."""
    rows = [row for row in shown_rows(report) if row["parts"] is not None]
    if not rows:
        return []
    parts = [row["parts"] for row in rows]
    return [
        Column("policy", [row["policy"] for row in rows], left=True, folds=True),
        *_slots(rows),
        Column("map", _figures(parts, "map")),
        Column("drift", _figures(parts, "drift", "+.4f")),
        *_sampling_columns(parts),
    ]


def evidence_table(report: Mapping[str, Any]) -> list[Column]:
    """What the advice saves over other ways, in the windows that it is judged on."""
    rows = report["advice"]["comparisons"]
    return [
        Column("compared with", [row["policy"] for row in rows], left=True, folds=True),
        *_slots(rows),
        Column("every", [_every(row["interval"]) for row in rows]),
        Column("mean", _figures(rows, "imbalance")),
        Column("advice saves", _figures(rows, "saved", "+.4f")),
        Column("+-", _figures(rows, "error"), order=1),
        Column("moves", _figures(rows, "moves", ".1f"), order=2),
    ]


def head_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What was played."""
    yield report["instance"]
    served = report["served"]
    if report["train"]:
        train = ", ".join(report["train"])
        test = ", ".join(report["test"])
        yield f"planned once on {train}"
        yield f"judged on {counted(len(served), 'window')} of {test}"
    else:
        windows = counted(report["windows"], "window")
        yield f"{windows}: a plan sees the last {report['history']}; the {len(served)} after the warm-up are judged"
    yield "heaviest over mean rank load, mean over layers; layer: the worst of them"
    yield "moves: replicas new on their rank, a layer and re-plan"


def moves_line() -> str:
    """What the table of moves is of."""
    return "moves of a re-plan: a layer's replicas, share of its slots, had ranks been renamed"


def interval_line(report: Mapping[str, Any]) -> str:
    """What the table of intervals is of."""
    advice = report["advice"]
    return f"{advice['policy']}, {advice['replicas']} replicas, by interval; seen: in the windows of its plan"


def parts_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What the table of parts is of."""
    windows = next(row["parts"] for row in shown_rows(report))["windows"]
    yield from step_lines(report["tokens_per_step"], report["top_k"])
    yield f"sampling: in {counted(windows, 'served window')}"


def step_lines(tokens_per_step: int, top_k: int) -> Iterator[str]:
    """What a step is taken to be, and what is proven of it."""
    yield f"parts of the imbalance above 1, in steps of {counted(tokens_per_step, 'token')}"
    if top_k == 1:
        yield "each routed once (--top-k), so that at most holds for any routing"
    else:
        yield f"each routed to {top_k} experts, taken as independent of each other"
    yield "about: simulated; at least, at most: proven of the mean of such steps"


def sampling_table(rows: Rows) -> list[Column]:
    """What sampling adds to the imbalance of methods.

    Parameters
    ----------
    rows : sequence of dict
        Of ``gap``, each with its ``sampling``.
    """
    parts = [row["sampling"] for row in rows]
    of_map = [row["imbalance_mean"] - 1 for row in rows]
    return [
        Column("method", [row["method"] for row in rows], left=True, folds=True),
        Column("map", [f"{value:.4f}" for value in of_map]),
        *_sampling_columns(parts),
    ]


def _sampling_columns(parts: Rows) -> list[Column]:
    about = [
        f"{part['sampling']:.4f} +- {part['sampling_error']:.4f}" for part in parts
    ]
    return [
        Column("sampling, about", about),
        Column("at least", _figures(parts, "sampling_lower"), order=2),
        Column("at most", _figures(parts, "sampling_upper"), order=1),
    ]


def advice_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The advice, and what it was judged on."""
    advice = report["advice"]
    slots = advice["replicas"]
    yield f"recommendation: {_what_to_do(report)} with {advice['policy']}, {slots} replicas"
    first = counted(advice["chosen_on"], "served window")
    mean = f"mean {advice['imbalance']:.4f}"
    if advice["is_held_out"]:
        yield f"chosen on the first {first} (mean {advice['chosen_imbalance']:.4f})"
        yield f"judged on the other {advice['judged_on']}: {mean}"
    else:
        yield f"not held out, as the trace is short: chosen and judged on {first}, {mean}"
    yield from _price(advice)
    yield from _worth(advice)
    yield from _doubts(advice)


def _what_to_do(report: Mapping[str, Any]) -> str:
    interval = report["advice"]["interval"]
    if interval is not None:
        return "re-plan every " + ("window" if interval == 1 else f"{interval} windows")
    return "plan once" if report["train"] else "plan once and keep the map,"


def _price(advice: Mapping[str, Any]) -> Iterator[str]:
    """What re-planning moves."""
    if advice["moves"]:
        moves = f"{advice['moves']:.1f} of {advice['replicas']} replicas"
        yield f"each re-plan moves {moves} a layer ({advice['moves_share']:.0%} of the slots)"


def _worth(advice: Mapping[str, Any]) -> Iterator[str]:
    """What the advice saves where there was no EPLB, if that was played."""
    for row in advice["comparisons"]:
        is_same_size = row["replicas"] == advice["replicas"]
        saved = time_saved(row["imbalance"], advice["imbalance"])
        if row["policy"] == WITHOUT_EPLB and is_same_size and saved > 0:
            yield f"saves at most {saved:.1%} of a step's time against {WITHOUT_EPLB}, which is no EPLB"


def _doubts(advice: Mapping[str, Any]) -> Iterator[str]:
    """Where the later windows do not bear out what was chosen on the earlier ones."""
    for row in advice["comparisons"]:
        if row["policy"] == "own" or row["saved"] >= 0:
            continue
        every = _every(row["interval"])
        other = f"{row['policy']}, {row['replicas']} replicas, every {every}"
        error = row["error"]
        is_clear = error is not None and -row["saved"] > 2 * error
        doubt = "not borne out" if is_clear else "no clear difference"
        yield f"{doubt}: {other}, was better by {-row['saved']:.4f}"
