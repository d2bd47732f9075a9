"""What was read, for people: lines and tables of what ``inspect --json`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .figures import counted
from .layout import Column

Rows = Sequence[Mapping[str, Any]]
MOST_COUNT = (
    1e15  # more, or a part of a token, is no count: it is written with a power of ten
)
MOST_LABELS = 4
MOST_WINDOWS = 8  # shown where not all are asked for


def head_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What was read, in a few lines.

    Parameters
    ----------
    found : mapping
        Of `inspection.inspection`, as for everything here.
    """
    layers = counted(found["layers"], "layer")
    yield f"{found['file']}: {layers} x {found['experts']} experts, {_windows(found)}"
    yield f"layers: {_layers(found)}"
    yield f"tokens: {_count(found['tokens'])} routed"
    yield (
        f"skew: hottest over mean expert {found['skew_mean']:.2f} in the mean over layers, "
        f"{found['skew_max']:.2f} in layer {found['skew_max_layer']}"
    )


def _count(tokens: float) -> str:
    """A number of tokens in few digits, whatever somebody calls tokens."""
    is_count = tokens == 0 or 0.5 <= tokens < MOST_COUNT
    return f"{tokens:,.0f}" if is_count else f"{tokens:.4g}"


def _windows(found: Mapping[str, Any]) -> str:
    """How many windows there are, and the labels of a few."""
    labels = list(dict.fromkeys(row["label"] for row in found["window_rows"]))
    count = counted(found["windows"], "window")
    if labels == [str(number) for number in range(found["windows"])]:
        return count
    more = len(labels) - MOST_LABELS
    rest = f" and {more} more" if more > 0 else ""
    return f"{count} ({', '.join(labels[:MOST_LABELS])}{rest})"


def _layers(found: Mapping[str, Any]) -> str:
    """The ids, and who says them."""
    ids = found["layer_ids"]
    is_range = ids == list(range(ids[0], ids[0] + len(ids)))
    text = f"{ids[0]}..{ids[-1]}" if is_range else ", ".join(map(str, ids))
    if not found["is_numbered"]:
        return f"{text}, as the input does not number them (--layers says otherwise)"
    silent = len(found["silent_layers"])
    return f"{text}; {silent} without a token left out" if silent else text


def hot_table(found: Mapping[str, Any]) -> list[Column]:
    """The hottest experts."""
    rows = found["hottest"]
    return [
        Column("hottest: layer", [str(row["layer_id"]) for row in rows]),
        Column("expert", [str(row["expert"]) for row in rows]),
        Column("tokens", [_count(row["tokens"]) for row in rows], order=1),
        Column("of its layer", [f"{row['share']:.2%}" for row in rows]),
        Column("times the mean", [f"{row['times_mean']:.2f}" for row in rows]),
    ]


def window_table(found: Mapping[str, Any], all_rows: bool) -> list[Column]:
    """The windows, or those that differ most, in their order; without several there are no columns."""
    rows = found["window_rows"]
    if len(rows) < 2:
        return []
    if not all_rows:
        rows = sorted(rows, key=lambda row: -row["difference"])[:MOST_WINDOWS]
        rows = sorted(rows, key=lambda row: row["window"])
    return [
        Column("window", [str(row["window"]) for row in rows]),
        Column("label", [row["label"] for row in rows], order=2, left=True, folds=True),
        Column("tokens", [_count(row["tokens"]) for row in rows], order=1),
        Column("differs by", [f"{row['difference']:.1%}" for row in rows]),
        Column("few tokens", [f"{row['noise']:.1%}" for row in rows], order=3),
        Column("", ["much" if row["differs"] else "" for row in rows], left=True),
    ]


def window_lines(found: Mapping[str, Any], all_rows: bool) -> Iterator[str]:
    """What the table of windows is of, and how many windows it leaves out."""
    rows = found["window_rows"]
    yield "differs by: tokens that go to other experts than in the mean window"
    yield "few tokens: what so few of them alone would make of that"
    if len(rows) > MOST_WINDOWS and not all_rows:
        much = sum(row["differs"] for row in rows)
        left_out = len(rows) - MOST_WINDOWS
        yield f"{much} of {len(rows)} windows differ much; {left_out} that differ least are left out (--all-windows)"


def odd_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What is odd about the loads."""
    if found["guess"] is not None:
        yield f"axes: {found['guess']}"
    if found["empty_rows"]:
        rows = found["first_empty_rows"]
        named = ", ".join(
            f"window {row['window']} layer {row['layer_id']}" for row in rows
        )
        more = found["empty_rows"] - len(rows)
        rest = f" and {more} more" if more else ""
        yield f"without a token: {counted(found['empty_rows'], 'row')} ({named}{rest})"
    if found["idle_experts"]:
        whole = found["layers"] * found["experts"]
        yield f"without a token in any window: {found['idle_experts']} of {whole} experts of all layers"


def topology_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The instance, and how uneven it is without EPLB."""
    if found["instance"] is not None:
        yield found["instance"]
        yield f"without EPLB (contiguous): imbalance {found['contiguous']:.4f} in the mean over layers"
    elif found["mode"] is not None:
        yield f"mode: {found['mode']}"
