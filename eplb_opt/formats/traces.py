"""Traces of routers as CSV: a row a token in a layer, or a row an expert of a token; told by their header alone."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .held import MOST_EXPERTS
from .layers import MOST_LAYERS
from .routing import NOBODY, Routing
from .top_k import top_k_of

ROWS_OF_TOKENS = "layer_id,expert_ids"
ROWS_OF_EXPERTS = "layer,expert"
WITH_CALLS = "call,phase,row,layer,expert"
HEADERS = (ROWS_OF_TOKENS, ROWS_OF_EXPERTS, WITH_CALLS)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Trace:
    """What a router chose, in the order in which layers were computed.

    Attributes
    ----------
    layers : integer array [rows]
        Absolute layer index.
    experts : integer array [rows, top_k]
        The experts of one token in that layer.
    """

    layers: Ints
    experts: Ints

    def routing(self) -> Routing:
        """The tokens, pass by pass: a pass runs through the layers in ascending order.

        A layer with fewer rows than others of its pass has those of the last tokens: of the last layer llama.cpp
        computes only tokens whose output is asked for.
        """
        runs = _Runs(self.layers)
        ids = np.unique(self.layers)
        width = self.experts.shape[1]
        experts = np.full((runs.tokens, len(ids), width), NOBODY, dtype=np.int64)
        experts[runs.places, np.searchsorted(ids, self.layers)] = self.experts
        return Routing(experts, tuple(ids.tolist()))


class _Runs:
    """Rows of one layer that follow each other, and the tokens that they are of."""

    def __init__(self, layers: Ints) -> None:
        starts = _starts(layers)
        lengths = np.diff([*starts, len(layers)])
        begins_pass = np.diff(layers[starts], prepend=np.iinfo(np.int64).max) < 0
        number = np.cumsum(begins_pass) - 1  # of the pass of each run
        tokens = np.zeros(number[-1] + 1, dtype=np.int64)
        np.maximum.at(tokens, number, lengths)
        first = np.cumsum(tokens) - tokens  # token of each pass
        shift = first[number] + tokens[number] - lengths - starts
        self.tokens = int(tokens.sum())
        self.places = np.arange(len(layers)) + np.repeat(shift, lengths)


def _starts(values: Ints) -> Ints:
    """Where a value begins that is another than the one before, of [rows] or [rows, columns]."""
    is_other = values[1:] != values[:-1]
    if values.ndim > 1:
        is_other = is_other.any(axis=1)
    return np.concatenate(([0], np.flatnonzero(is_other) + 1))


def is_trace(text: str) -> bool:
    """Whether text begins with the header of a trace."""
    return _header(text) in HEADERS


def _header(text: str) -> str:
    first, _, _ = text.lstrip().partition("\n")
    return first.strip().replace(" ", "").lower()


def parse_trace(text: str) -> Trace:
    """The trace in text that begins with one of the headers.

    Raises
    ------
    ValueError
        It is malformed.
    """
    header = _header(text)
    _, _, rows = text.lstrip().partition("\n")
    if not rows.strip():
        raise ValueError(f"a trace ({header}) without rows")
    if header == ROWS_OF_TOKENS:
        table = _numbers(rows.replace(",", " "), None)
        return _checked(table[:, 0], table[:, 1:])
    if header == WITH_CALLS:
        return _of_calls(_numbers(rows, ",", columns=(0, 2, 3, 4)))
    table = _numbers(rows, ",", columns=(0, 1))
    return _in_tokens(table[:, 0], table[:, 1])


def _numbers(
    rows: str, sign: str | None, columns: tuple[int, ...] | None = None
) -> Ints:
    """Integers [rows, columns] of text."""
    return np.loadtxt(
        io.StringIO(rows),
        dtype=np.int64,
        delimiter=sign,
        comments=None,
        usecols=columns,
        ndmin=2,
    )


def _of_calls(table: Ints) -> Trace:
    """Of rows of call, token, layer and expert: the experts of a token in a layer follow each other."""
    starts = _starts(table[:, [0, 1, 2]])
    lengths = np.diff([*starts, len(table)])
    top_k = int(lengths[0])
    if (lengths != top_k).any():
        raise ValueError(f"a trace whose tokens have {top_k} and other numbers of rows")
    return _checked(table[starts, 2], table[:, 3].reshape(-1, top_k))


def _in_tokens(layers: Ints, experts: Ints) -> Trace:
    """Of rows of layer and expert: as many experts a token as divide all runs, and no token has one of them twice."""
    starts = _starts(layers)
    lengths = np.diff([*starts, len(layers)])
    common = int(np.gcd.reduce(lengths))
    top_k = top_k_of(experts.reshape(-1, common))
    return _checked(layers[::top_k], experts.reshape(-1, top_k))


def _checked(layers: Ints, experts: Ints) -> Trace:
    """A trace, if its numbers may be layers and experts."""
    if not experts.size:
        raise ValueError("a trace without experts")
    if layers.min() < 0 or layers.max() >= MOST_LAYERS:
        raise ValueError(f"a trace with layers {layers.min()}..{layers.max()}")
    if experts.min() < 0 or experts.max() >= MOST_EXPERTS:
        raise ValueError(f"a trace with experts {experts.min()}..{experts.max()}")
    return Trace(layers, experts)
