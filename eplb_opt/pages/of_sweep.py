"""The page about a sweep: how many redundant experts to take, on how many ranks, at which batch, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..report.sweep import OFF, RESUME, SECONDS, choice, step_text, summary_lines
from .content import Card, Cell, Figure, Number, Page, Section, Table
from .sweep_figures import plans, steps_by_memory, steps_by_slots
from .sweep_heat import losses
from .swept import Report, Swept, gibi
from .words import at_most, percentage

TITLE = "Slots, ranks and batches side by side"
MOST_SENTENCES = 4  # about numbers of ranks; the table has all of them
MOST_ROWS = 24  # of a recommendation that is not folded away
MOST_LEFT_OUT = 6
SIZE = re.compile(r"\bnum_(\w+)=(\d+)")  # in a reason: an argument of Instance
WORTH = 0.005  # of a step: what more slots lose is said from here on


def page_of_sweep(report: Report) -> Page:
    """What to take where, what that gains, and what proves it.

    Parameters
    ----------
    report : mapping
        Of `eplb_opt.sweeping.sweep.sweep`, finished or not.
    """
    swept = Swept(report)
    return Page(
        TITLE,
        _subtitle(report),
        list(_cards(swept)),
        list(_sentences(swept)),
        list(_sections(swept)),
        [f"{note[0].upper()}{note[1:]}." for note in report["notes"]],
    )


def _subtitle(report: Report) -> str:
    cost = report["cost"] or {}
    by = f", a cost ({cost['kind']})" if cost.get("kind") else ""
    return (
        f"{report['layers']} layers x {report['experts']} experts, planned by {report['method']}, "
        f"{report['top_k']} experts a token{by}"
    )


def _cards(swept: Swept) -> Iterator[Card]:
    advice = swept.report["advice"]
    if not advice:
        return
    redundant = sorted(row["redundant"] for row in advice)
    yield Card(_range(redundant), "redundant experts to take, by ranks and batch")
    gains = [row["gain"] for row in advice if row["gain"] is not None]
    if gains:
        less = "less time" if swept.is_timed else "less on the heaviest rank"
        meaning = f"at most: {less} in a step than without balancing"
        yield Card(percentage(max(gains)), meaning)
    gaps = [_gap(swept, row) for row in advice]
    meaning = "at most: what any other map of as many slots could gain"
    yield Card(at_most(max(gaps)), meaning)
    if swept.report["bytes_per_expert"] is not None:
        sizes = sorted(gibi(swept.advised(row)) for row in advice)
        texts = [f"{size:.1f}" for size in sizes]
        yield Card(f"{_range(texts)} GiB", "of a GPU for the slots to take")


def _gap(swept: Swept, row: Report) -> float:
    """What no map of as many slots can save of a recommended step."""
    cell = swept.advised(row)
    step = float(cell["step"])
    return 1 - min(1.0, cell["step_bound"] / step) if step > 0 else 0.0


def _range(ordered: Sequence[object]) -> str:
    """The first and the last of some values."""
    first, last = ordered[0], ordered[-1]
    return str(first) if first == last else f"{first} to {last}"


def _sentences(swept: Swept) -> Iterator[str]:
    """The advice, then what it rests on."""
    report = swept.report
    if not report["advice"]:
        yield f"This sweep is not complete: {len(swept.cells)} cells are here. {RESUME}."
    else:
        yield from summary_lines(report)[:MOST_SENTENCES]
        yield from _gains_and_losses(swept)
    step = "The heaviest rank decides how long a step takes."
    if report["unit"] == SECONDS:
        step = "A step takes as long as its slowest rank, by the cost of the experts on it."
    yield (
        f"{step} Each is the mean of {report['draws']} simulated steps of a layer, whose tokens are drawn from the "
        "recorded loads; the same for all maps."
    )


def _gains_and_losses(swept: Swept) -> Iterator[str]:
    """Where it gains most, and where more slots lose most."""
    advice = swept.report["advice"]
    gaining = [row for row in advice if row["gain"] is not None and row["map"] != OFF]
    if gaining:
        row = max(gaining, key=lambda row: float(row["gain"]))
        yield (
            f"Most is gained {_place(row)}: {swept.text(row['step'])} in place of {swept.text(row['off_step'])} with "
            f"experts in their order, {percentage(row['gain'])} less."
        )
    row = max(advice, key=lambda row: float(row["most_loss"]))
    if row["most_replicas"] != row["replicas"] and row["most_loss"] >= WORTH:
        yield (
            f"More slots are not always better: {_place(row)} {row['most_replicas']} of them take "
            f"{percentage(row['most_loss'])} longer than the {row['replicas']} that are recommended."
        )


def _place(row: Report) -> str:
    return f"on {row['ranks']} ranks with {row['tokens_per_step']} tokens a step"


def _sections(swept: Swept) -> Iterator[Section]:
    taken: list[Figure | Table] = [losses(swept)]
    if swept.report["advice"]:
        taken.insert(0, _advice_table(swept))
    words = [
        "How many slots to fill depends on the batch: what evens out large steps costs small ones."
    ]
    yield Section("What to take", words, taken)
    memory = steps_by_memory(swept)
    steps: list[Figure | Table] = [steps_by_slots(swept)]
    words = ["The lower, the faster; dotted lines are what no map can be below."]
    yield Section(
        "Slots and ranks", words, [*steps, *([] if memory is None else [memory])]
    )
    words = [
        "What is planned for is a step of mean loads: simulated steps take longer, by what their loads vary."
        if swept.has_times
        else "A plan that is even in the recorded loads can still be slow: a GPU reads all experts that it holds."
    ]
    more: list[Figure | Table] = [plans(swept), _cell_table(swept)]
    if swept.report["left_out"]:
        more.append(_left_out(swept.report))
    yield Section("The plans", words, more)


def _advice_table(swept: Swept) -> Table:
    columns = [
        "ranks",
        "tokens a step",
        "take",
        "slots",
        _step_name(swept),
        "less than off",
        "less than balanced",
        "most slots",
        "these take more",
    ]
    rows = [_advice_row(row, swept) for row in swept.report["advice"]]
    is_long = len(rows) > MOST_ROWS
    return Table("The recommendation", columns, rows, is_folded=is_long)


def _step_name(swept: Swept) -> str:
    """The column of steps."""
    return "step" if swept.is_relative else f"step, {swept.unit}"


def _advice_row(row: Report, swept: Swept) -> list[Cell]:
    return [
        row["ranks"],
        row["tokens_per_step"],
        choice(row),
        row["replicas"],
        Number(step_text(row["step"], swept.report)),
        _percent(row["gain"]),
        _percent(row["redundancy_gain"]) if row["redundant"] else None,
        row["most_replicas"],
        _percent(row["most_loss"]),
    ]


def _percent(share: float | None) -> Number | None:
    return None if share is None else Number(f"{share * 100:.1f} %")


def _cell_table(swept: Swept) -> Table:
    """All that was made, folded away."""
    has_memory = swept.report["bytes_per_expert"] is not None
    columns = ["ranks", "tokens a step", "slots", "map", _step_name(swept)]
    columns += ["least", "above", *_plan_names(swept), "bound", "gap"]
    columns += ["GiB"] * has_memory
    rows = [_cell_row(cell, swept) for cell in swept.cells]
    return Table("Every cell in numbers", columns, rows, is_folded=True)


def _cell_row(cell: Report, swept: Swept) -> list[Cell]:
    row: list[Cell] = [
        cell["ranks"],
        cell["tokens_per_step"],
        cell["replicas"],
        cell["map"],
        Number(step_text(cell["step"], swept.report)),
        Number(step_text(cell["step_bound"], swept.report)),
        _percent(cell["step_gap"]),
        *_plan_cells(cell, swept),
        _percent(cell["gap"]),
    ]
    if cell["slots_bytes"] is not None:
        row.append(Number(f"{gibi(cell):.1f}"))
    return row


def _plan_names(swept: Swept) -> list[str]:
    return [f"time, {swept.unit}"] if swept.has_times else ["imbalance"]


def _plan_cells(cell: Report, swept: Swept) -> list[Cell]:
    """What is planned for, and the bound of it."""
    if not swept.has_times:
        return [_figure(cell["imbalance"]), _figure(cell["bound"])]
    times = (cell.get("time"), cell.get("time_bound"))
    return [_step(time, swept.report) for time in times]


def _step(value: float | None, report: Report) -> Number | None:
    return None if value is None else Number(step_text(value, report))


def _figure(value: float | None) -> Number | None:
    return None if value is None else Number(f"{value:.4f}")


def _left_out(report: Report) -> Table:
    rows = [
        [place["replicas"], place["ranks"], SIZE.sub(r"\2 \1", place["why"])]
        for place in report["left_out"]
    ]
    is_long = len(rows) > MOST_LEFT_OUT
    return Table("Left out", ["slots", "ranks", "why"], rows, is_folded=is_long)
