"""What the columns and rows of a table of loads may be called; everything else is asked about, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .table_cells import whole

LAYOUTS = (
    "known tables: one row a layer (layer, expert_0, expert_1 and so on), its transpose (expert, layer_3, layer_4), or "
    "one row a count (layer_id, expert_id, count); each also with rank and step"
)
# Kinds of columns, by what their cells say.
LAYER = "layer"
EXPERT = "expert"
COUNT = "count"
RANK = "rank"
WINDOW = "window"
INDEX = "index"
TOTAL = "total"
STATISTIC = "statistic"
EXPERT_LOAD = "expert load"  # of the expert that the column names
LAYER_LOAD = "layer load"  # of the layer that it names
NUMBER = "number"  # loads of what has the number that is its name
UNKNOWN = "unknown"

_NUMBERED = ("", "id", "ids", "idx", "index", "no", "num", "number")
_LAYERS = (
    "layer",
    "layers",
    "moelayer",
    "hiddenlayer",
    "decoderlayer",
    "block",
    "blk",
    "l",
)
_EXPERTS = (
    "expert",
    "experts",
    "exp",
    "logicalexpert",
    "moeexpert",
    "routedexpert",
    "globalexpert",
    "e",
)
_COUNTS = (
    "count",
    "counts",
    "load",
    "loads",
    "token",
    "tokens",
    "tokencount",
    "tokencounts",
    "numtokens",
    "ntokens",
    "activation",
    "activations",
    "activationcount",
    "activationcounts",
    "numactivations",
    "hit",
    "hits",
    "hitcount",
    "selection",
    "selections",
    "selectioncount",
    "routed",
    "routedtokens",
    "tokensrouted",
    "assignments",
    "calls",
    "expertload",
    "expertcount",
    "expertcounts",
    "experttokens",
    "freq",
    "frequency",
    "usage",
    "weight",
    "weights",
    "value",
    "n",
)
_RANKS = (
    "rank",
    "eprank",
    "dprank",
    "tprank",
    "gpu",
    "device",
    "worker",
    "ep",
    "dp",
    "tp",
    "process",
)
_WINDOWS = (
    "window",
    "step",
    "iteration",
    "iter",
    "pass",
    "forwardpass",
    "snapshot",
    "batch",
    "interval",
    "time",
    "timestamp",
)
_TOTALS = (
    "total",
    "totals",
    "sum",
    "all",
    "subtotal",
    "grandtotal",
    "rowtotal",
    "rowsum",
    "totalcount",
    "totalcounts",
    "totaltokens",
    "totalload",
    "totalloads",
    "totalactivations",
    "tokenstotal",
    "sumtokens",
    "layertotal",
)
_STATISTICS = (
    "mean",
    "avg",
    "average",
    "std",
    "stddev",
    "min",
    "max",
    "median",
    "var",
    "variance",
    "percent",
    "percentage",
    "pct",
    "%",
    "share",
    "ratio",
    "fraction",
    "imbalance",
    "balancedness",
    "balance",
    "entropy",
    "cv",
    "gini",
)
_INDICES = ("", "index", "idx", "id", "row", "rowid", "rowindex", "rowname", "unnamed")


def _numbered(names: Iterable[str]) -> set[str]:
    """Names alone and with a word for a number behind: ``layer``, ``layerid``, ``layeridx``."""
    return {name + number for name in names for number in _NUMBERED}


_NAMES = (
    dict.fromkeys(_numbered(_LAYERS), LAYER)
    | dict.fromkeys(_numbered(_EXPERTS), EXPERT)
    | dict.fromkeys(_numbered(_RANKS), RANK)
    | dict.fromkeys(_numbered(_WINDOWS), WINDOW)
    | dict.fromkeys(_COUNTS, COUNT)
    | dict.fromkeys(_INDICES, INDEX)
    | dict.fromkeys(_TOTALS, TOTAL)
    | dict.fromkeys(_STATISTICS, STATISTIC)
)
# Before a number: expert_5, tokens_expert_5, layer_3.
_COUNTS_OF_EXPERTS = {count + expert for expert in _EXPERTS for count in _COUNTS}
_WITH_NUMBER = {
    EXPERT_LOAD: _numbered(_EXPERTS) | _COUNTS_OF_EXPERTS,
    LAYER_LOAD: _numbered((*_LAYERS, "modellayers")),
}
_SEPARATORS = re.compile(r"[\s_\-./:#()\[\]<>=]+")
_SLOTS = re.compile(r"phy|slot|local|replica")
_DECIMAL = re.compile("[0-9]{1,9}")
# Of a table that had its index written before.
_PANDAS_INDEX = re.compile(r"unnamed:?[\s_]*[0-9]+(_level_[0-9]+)?")
_SIGNED = re.compile(r"(^|[^a-z0-9])[-+][0-9]")
_INSIDE = re.compile(
    r"(?:model\.|transformer\.)?(?:layers|blocks|h)\.([0-9]{1,9})(?:\.[a-z_.]+)?"
)
_RANK = re.compile(
    r"(?<![a-z])(?:[a-z]{2}[_\-]?)?(?:rank|ep|dp|tp|gpu|device|worker)[_\-]?([0-9]{1,6})(?![0-9])"
)


@dataclass(frozen=True)
class Column:
    """A column by its name.

    Attributes
    ----------
    name : str
        As the file has it.
    kind : str
        One of the constants above.
    number : int, or None
        Of the expert or layer that it names.
    """

    name: str
    kind: str
    number: int | None = None


def column_of(name: str) -> Column:
    """What a column of this name holds."""
    if _DECIMAL.fullmatch(name):
        return Column(name, NUMBER, int(name))
    lower = name.lower()
    digits = re.findall("[0-9]+", lower)
    words = _SEPARATORS.sub("", lower)
    if not digits and words in _NAMES and (words or not name):
        return Column(name, _NAMES[words])
    if _PANDAS_INDEX.fullmatch(lower):
        return Column(name, INDEX)
    is_one_number = len(digits) == 1 and _DECIMAL.fullmatch(digits[0])
    if is_one_number and not _SIGNED.search(lower):
        before, after = words.split(digits[0], 1)
        for kind, known in _WITH_NUMBER.items():
            if before in known and after in ("", *_COUNTS):
                return Column(name, kind, int(digits[0]))
    return Column(name, UNKNOWN)


def why_unknown(name: str) -> str:
    """What to say of a column that is not known."""
    if _SLOTS.search(name.lower()):
        return "counts slots (physical experts), of which no table says whose replicas they are: add them up by expert"
    return "is in no known format"


def label_of(cell: str) -> Column | None:
    """What a row's label says: a number, ``layer_3``, ``expert 5``, ``total``; None if nothing."""
    column = column_of(cell)
    if column.kind in (NUMBER, TOTAL, LAYER_LOAD, EXPERT_LOAD):
        return column
    inside = _INSIDE.fullmatch(cell.lower())  # a module's name: model.layers.3.mlp
    if inside:
        return Column(cell, LAYER_LOAD, int(inside[1]))
    number = whole(cell)
    if number is None or number < 0:
        return None
    return Column(cell, NUMBER, number)


def says_total(label: str) -> bool:
    """Whether the rank or step of a row is the total of all: ``all``, ``rank_all``, ``Total``."""
    words = re.findall("[a-z]+", label.lower())
    return bool(words) and words[-1] in _TOTALS


def ranks_of(stem: str) -> tuple[int, ...]:
    """The ranks that a file's name says, such as ``rank3``, ``TP0``, ``dp_1_ep_2``."""
    return tuple(int(number) for number in _RANK.findall(stem.lower()))
