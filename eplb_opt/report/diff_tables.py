"""What moves from one map to another, for people: tables and lines that read what ``--json`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .figures import counted
from .layout import Column

Rows = Sequence[Mapping[str, Any]]
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(number: int) -> str:
    """A number of bytes as people read it.

    Examples
    --------
    >>> size(900), size(44 * 2**20), size(3 * 2**40)
    ('900 bytes', '44.0 MiB', '3.0 TiB')
    """
    value = float(number)
    unit = 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.1f} {UNITS[unit]}" if unit else counted(number, "byte")


def duration(seconds: float) -> str:
    """A time as people read it.

    Examples
    --------
    >>> duration(1.234), duration(0.0123), duration(0.0)
    ('1.23 s', '12.30 ms', '0.00 ms')
    """
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.2f} ms"


def _figures(rows: Rows, key: str) -> list[str]:
    return ["-" if row[key] is None else f"{row[key]:.4f}" for row in rows]


def _counts(rows: Rows, key: str) -> list[str]:
    return [str(row[key]) for row in rows]


def head_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What is compared, and what the columns are."""
    yield report["instance"]
    shape = [report["old_replicas"], report["old_ranks"]]
    if shape != [report["replicas"], report["ranks"]]:
        ranks = counted(report["old_ranks"], "rank")
        yield f"the old map has {report['old_replicas']} slots on {ranks}"
    failed = report["failed_ranks"]
    if failed:
        yield f"{counted(len(failed), 'rank')} of the old map failed: {', '.join(map(str, failed))}"
    yield "moved: replicas new on their rank; changed: slots with another expert"


def layer_table(report: Mapping[str, Any]) -> list[Column]:
    """One row a layer: what moves, and what that costs and gains.

    Parameters
    ----------
    report : mapping
        Of `diff.diff_report`, as for everything here.
    """
    rows = report["layers"]
    totals = report["totals"]
    columns = [
        Column("layer", _counts(rows, "layer_id")),
        Column("moved", _counts(rows, "moved")),
    ]
    if report["nodes"] > 1:
        columns.append(Column("across nodes", _counts(rows, "across_nodes"), order=2))
    if totals["loaded"]:
        columns.append(Column("loaded", _counts(rows, "loaded"), order=1))
    columns.append(Column("changed", _counts(rows, "changed"), order=3))
    if any(row["imbalance_after"] is not None for row in rows):
        columns += [
            Column("before", _figures(rows, "imbalance_before")),
            Column("after", _figures(rows, "imbalance_after")),
        ]
    if totals["seconds"] is not None:
        times = [f"{row['seconds'] * 1000:.2f}" for row in rows]
        columns += [
            Column("ms", times, order=4),
            Column("busiest link", [row["busiest_link"] for row in rows], order=5),
        ]
    return columns


def totals_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What moves in all layers, what it takes, and what it gains."""
    totals = report["totals"]
    if not totals["changed"]:
        yield "nothing moves: the maps are the same"
    elif not totals["moved"]:
        slots = counted(totals["in_place"], "slot")
        yield f"nothing moves: {slots} changed, replicas change place within their rank"
    else:
        yield _moved(report)
        if totals["in_place"]:
            slots = counted(totals["in_place"], "further slot")
            yield f"{slots} changed, of replicas that change place within their rank"
        yield from _taken(report)
    yield from _gained(report)


def _moved(report: Mapping[str, Any]) -> str:
    totals = report["totals"]
    slots = counted(totals["layers"] * report["replicas"], "replica")
    layers = counted(totals["layers"], "layer")
    sources = [
        f"{totals[key]} {what}"
        for key, what in (
            ("within_node", "from their own node"),
            ("across_nodes", "from another node"),
            ("repeated", "from one that arrives on the same rank"),
            ("loaded", "from elsewhere, as no rank holds them"),
        )
        if totals[key]
    ]
    changed = f"in {totals['layers_changed']} of {layers}"
    return f"moved: {totals['moved']} of {slots}, {changed}: {', '.join(sources)}"


def _taken(report: Mapping[str, Any]) -> Iterator[str]:
    """Bytes and seconds, if they are known."""
    totals = report["totals"]
    if totals["sent_bytes"] is None:
        return
    taken = f"copied: {size(totals['sent_bytes'])}"
    if totals["loaded"]:
        taken += f", loaded: {size(totals['loaded_bytes'])}"
    if totals["seconds"] is None:
        yield taken
        return
    longest = max(report["layers"], key=lambda row: float(row["seconds"]))
    yield (
        f"{taken}; {duration(totals['seconds'])} one layer after the other, longest in layer {longest['layer_id']}: "
        f"{duration(longest['seconds'])}, {longest['busiest_link']}"
    )


def _gained(report: Mapping[str, Any]) -> Iterator[str]:
    """What it gains, in a sentence."""
    rows = report["layers"]
    totals = report["totals"]
    after = totals["imbalance_after"]
    if after is None:
        return
    lacking = sum(row["imbalance_before"] is None for row in rows)
    if lacking:
        yield f"the old map lacks experts in {counted(lacking, 'layer')}; the new one has imbalance {after:.4f}"
        return
    saved = totals["saved"]
    what = "less" if saved >= 0 else "MORE"
    a_layer = totals["moved"] / totals["layers"]
    yield (
        f"imbalance {totals['imbalance_before']:.4f} -> {after:.4f}, mean over layers: the heaviest rank has "
        f"{abs(saved) * 100:.1f} % {what} load, for {a_layer:.1f} replicas moved a layer"
    )


def schedule_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What the schedule is."""
    schedule = report["schedule"]
    steps = schedule["steps"]
    yield f"schedule: {counted(len(steps), 'step')}, first what gains most for what it copies{_limits(schedule)}"
    beyond = sum(not step["within_limits"] for step in steps)
    if beyond:
        yield f"beyond the limits: {counted(beyond, 'step')}, as whole groups go to other nodes at once"
    if steps:
        yield "imbalance of the layer, and its mean over layers, after the steps of a row"


def _limits(schedule: Mapping[str, Any]) -> str:
    of_rank = schedule["moves_per_rank"]
    of_pair = schedule["moves_per_pair"]
    limits = []
    if of_rank is not None:
        limits.append(f"a rank receives {of_rank} at a time and sends as many")
    if of_pair is not None:
        limits.append(f"{of_pair} from one rank to another")
    return f"; at most {', '.join(limits)}" if limits else ""


def schedule_table(report: Mapping[str, Any]) -> list[Column]:
    """One row for steps of a layer that follow each other."""
    blocks = _blocks(report["schedule"]["steps"])
    last = [steps[-1] for steps in blocks]
    ends = [_range(steps, "batch") for steps in blocks]
    copied = [sum(len(step["copies"]) for step in steps) for steps in blocks]
    columns = [
        Column("row", [str(number) for number in range(1, len(blocks) + 1)], order=2),
        Column("layer", _counts(last, "layer_id")),
        Column("batches", ends),
        Column("copied", [str(number) for number in copied]),
        Column("imbalance", _figures(last, "imbalance")),
        Column("mean", _figures(last, "mean_imbalance")),
    ]
    if last and last[0]["seconds"] is not None:
        times = [sum(step["seconds"] for step in steps) for steps in blocks]
        columns.append(Column("ms", [f"{time * 1000:.2f}" for time in times], order=1))
    return columns


def _blocks(steps: Rows) -> list[list[Mapping[str, Any]]]:
    """Steps by their block."""
    blocks: dict[int, list[Mapping[str, Any]]] = {}
    for step in steps:
        blocks.setdefault(step["block"], []).append(step)
    return list(blocks.values())


def _range(steps: Rows, key: str) -> str:
    first, last = steps[0][key], steps[-1][key]
    return str(first) if first == last else f"{first}-{last}"


def half_line(report: Mapping[str, Any]) -> Iterator[str]:
    """How much is copied when half of the gain is there."""
    schedule = report["schedule"]
    steps = schedule["steps"]
    start = schedule["imbalance"]
    if not steps or start is None or start <= steps[-1]["mean_imbalance"]:
        return
    half = (start + steps[-1]["mean_imbalance"]) / 2
    total = sum(len(step["copies"]) for step in steps)
    copied = 0
    for step in steps:
        copied += len(step["copies"])
        if step["mean_imbalance"] <= half:
            break
    yield f"half of the gain is there after {copied} of {total} copies"
