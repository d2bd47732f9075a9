"""Heat maps of a sweep: slots x batches, what each takes more than the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..report.sweep import OFF
from .content import Figure, Plot
from .figures import colour_scale, rounded
from .swept import Cell, Swept

ROW = 34  # pixels of a batch
LEAST_HEIGHT = 120
MOST_HEIGHT = 520
HEAD = 62  # pixels above: the colour bar
FOOT = 48
MOST_COLUMNS = 12  # of a heat map in whose cells the step is written
MOST_ROWS = 16
LEAST_RANGE = 1.0  # percent: the scale of a sweep in which slots hardly matter
# The part of the scale from which black is easier to read than white: there both have a contrast of 4.6.
BRIGHT = 0.46
BLACK = "#000000"
WHITE = "#ffffff"
STAR = "\N{BLACK STAR}"


def losses(swept: Swept) -> Figure:
    """Slots x batches: what each takes more than the best of its batch."""
    return Figure(
        "losses",
        "What a step takes more than with the best number of slots",
        "One row a batch, one column a number of slots; the brighter, the slower. Off: experts in their order, without "
        "balancing. A star marks what is recommended: the fewest slots within a hundredth of the best, or off where no "
        "plan gains that.",
        {f"{ranks} ranks": _heat(swept, ranks) for ranks in swept.ranks},
        "on",
    )


def _heat(swept: Swept, ranks: int) -> Plot:
    """What steps on so many ranks take over the best of their batch, in percent."""
    columns = _columns(swept, ranks)
    batches = [tokens for tokens in swept.batches if swept.at(ranks, tokens)]
    table = [
        [_cell_at(swept, ranks, tokens, name) for name in columns] for tokens in batches
    ]
    loss = rounded([_losses(row) for row in table], 2)
    heat = {
        "type": "heatmap",
        "z": loss,
        "x": columns,
        "y": [str(tokens) for tokens in batches],
        "text": [[_written(swept, cell) for cell in row] for row in table],
        "coloraxis": "coloraxis",
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hovertemplate": f"%{{x}} slots on {ranks} ranks, %{{y}} tokens a step<br>%{{text}}: "
        "<b>%{z:.1f} %</b> above the best<extra></extra>",
    }
    is_written = len(columns) <= MOST_COLUMNS and len(batches) <= MOST_ROWS
    highest = _highest(loss, columns)
    data = [heat] if is_written else [heat, _stars(swept, ranks)]
    wide = _layout(highest, len(batches))
    narrow = _layout(highest, len(batches), is_narrow=True)
    if is_written:
        words = _words(heat, highest)
        wide["annotations"] = words
        # A narrow page has no room for more than the stars.
        starred = [word for word in words if word["text"].startswith(STAR)]
        narrow["annotations"] = [{**word, "text": STAR} for word in starred]
    return {"data": data, "layout": wide, "narrow": narrow}


def _columns(swept: Swept, ranks: int) -> list[str]:
    """Numbers of slots, after what there is without balancing."""
    slots = sorted({cell["replicas"] for cell in swept.at(ranks)})
    has_off = any(swept.off(ranks, tokens) is not None for tokens in swept.batches)
    return [OFF] * has_off + [str(count) for count in slots]


def _cell_at(swept: Swept, ranks: int, tokens: int, column: str) -> Cell | None:
    if column == OFF:
        return swept.off(ranks, tokens)
    cells = swept.at(ranks, tokens)
    return next((cell for cell in cells if str(cell["replicas"]) == column), None)


def _losses(row: Sequence[Cell | None]) -> list[float]:
    """Steps of a batch over the least one, in percent; of a cell that is not there NaN."""
    least = min(cell["step"] for cell in row if cell is not None)
    return [
        float("nan")
        if cell is None
        else (cell["step"] / least - 1) * 100
        if least > 0
        else 0.0
        for cell in row
    ]


def _written(swept: Swept, cell: Cell | None) -> str:
    """A step in its cell."""
    if cell is None:
        return ""
    text = swept.text(cell["step"])
    return f"{STAR} {text}" if swept.is_advised(cell) else text


def _highest(loss: list[list[float | None]], columns: Sequence[str]) -> float:
    """The end of the scale: of plans alone, as no balancing may be far above all of them."""
    found = [
        value
        for row in loss
        for name, value in zip(columns, row, strict=True)
        if name != OFF and value is not None
    ]
    return max([*found, LEAST_RANGE])


def _words(heat: dict[str, Any], highest: float) -> list[dict[str, Any]]:
    """The text of each cell, in black or white, whichever is easier to read on its colour."""
    # By place: a category that is a number would be taken for one.
    return [
        {
            "x": x,
            "y": y,
            "text": text,
            "font": {"color": BLACK if loss > BRIGHT * highest else WHITE},
            "showarrow": False,
        }
        for y, (texts, losses) in enumerate(zip(heat["text"], heat["z"], strict=True))
        for x, (text, loss) in enumerate(zip(texts, losses, strict=True))
        if text and loss is not None
    ]


def _stars(swept: Swept, ranks: int) -> dict[str, Any]:
    """A star on what is recommended at each batch."""
    rows = [row for row in swept.report["advice"] if row["ranks"] == ranks]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [OFF if row["map"] == OFF else str(row["replicas"]) for row in rows],
        "y": [str(row["tokens_per_step"]) for row in rows],
        "marker": {
            "symbol": "star",
            "size": 9,
            "color": WHITE,
            "line": {"color": BLACK, "width": 1},
        },
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _layout(highest: float, rows: int, is_narrow: bool = False) -> dict[str, Any]:
    height = min(max(rows * ROW, LEAST_HEIGHT), MOST_HEIGHT)
    return {
        "height": height + HEAD + FOOT,
        "margin": {"t": HEAD, "b": FOOT},
        "xaxis": {"type": "category", "title": {"text": "slots of a layer"}},
        "yaxis": {"type": "category", "title": {"text": "tokens a step"}},
        "coloraxis": colour_scale([0, highest], "above the best", is_narrow),
    }
