"""Loads as a file holds them, in the one form between all formats, with their layer ids."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning, did_you_mean
from .layers import MOST_LAYERS, agreed, check_ids, listed, number_layers, rows_of

MOST_EXPERTS = 1 << 16  # of a model
MOST_LABELS = 6  # of windows, in an error


@dataclass(frozen=True, eq=False)
class Loads:
    """Recorded loads.

    Attributes
    ----------
    load : array [windows, layers, experts]
        As recorded, in routed tokens; `Instance` validates the values.
    layer_ids : tuple of int, or None
        Absolute layer index of each row; None if the file does not say.
    windows : tuple of str
        Labels; the window's index where the file has none.
    hidden_layers : int, or None
        Layers of the model, dense ones included, where the file says so.
    silent_layers : tuple of int
        Layers that the file has, without a token in any window: dense ones, as far as can be seen.
    moe_layers_last : bool
        Without ids: the rows are all MoE layers of a model whose dense layers come first.

    Examples
    --------
    >>> from eplb_opt.formats import Loads
    >>> loads = Loads(np.array([[[5, 1]], [[2, 2]]]), layer_ids=(3,), windows=("day", "night"))
    >>> loads.select("night").load.tolist()
    [[[2, 2]]]
    """

    load: npt.NDArray[Any]
    layer_ids: tuple[int, ...] | None
    windows: tuple[str, ...]
    hidden_layers: int | None = None
    silent_layers: tuple[int, ...] = ()
    moe_layers_last: bool = False

    def with_hidden_layers(self, given: int | None, source: str) -> Loads:
        """With the number of the model's layers, which the file or an option says, or both.

        Raises
        ------
        FormatError
            They differ, a layer is beyond them, or nobody says which of them the rows are.

        Warns
        -----
        FormatWarning
            The rows are taken for the last ones.
        """
        hidden_layers = agreed("hidden layers", self.hidden_layers, given, source)
        rows = self.load.shape[1]
        ids = self.layer_ids
        if ids is None and self.moe_layers_last:
            ids = _last_layers(rows, hidden_layers, source)
        number_layers(ids, rows, hidden_layers, source)
        check_ids(ids or (), hidden_layers, source)
        return replace(self, layer_ids=ids, hidden_layers=hidden_layers)

    def with_experts(self, experts: int | None, source: str) -> Loads:
        """With so many experts: the last ones, which the file does not show, have no token.

        Raises
        ------
        FormatError
            The file has more.
        """
        width = self.load.shape[-1]
        if experts is None or experts == width:
            return self
        if experts < width:
            raise FormatError(
                f"{source}: it has {width} experts, --experts says {experts}: leave it out"
            )
        _check_width(experts, source)
        added = [(0, 0), (0, 0), (0, experts - width)]
        return replace(self, load=np.pad(self.load, added))

    def with_layers(self, ids: Sequence[int] | None, source: str) -> Loads:
        """The layers of these absolute ids; a file without ids holds just these; silent layers may be among them.

        Raises
        ------
        FormatError
            None of the layers is in the file, or their number differs where it has no ids.

        Warns
        -----
        FormatWarning
            Layers asked for were not recorded: their loads are 0. Nobody asks for layers, and there are silent ones
            after the first recorded one.
        """
        if ids is None:
            self._warn_of_silent(source)
            return self
        if self.layer_ids is None:
            rows_of(ids, None, self.load.shape[1], source)
            return replace(self, layer_ids=tuple(ids))
        return self._chosen(self.layer_ids, ids, source)

    def _chosen(
        self, recorded: tuple[int, ...], ids: Sequence[int], source: str
    ) -> Loads:
        """The layers of these ids; what was not recorded has loads of 0."""
        row_of = {layer: row for row, layer in enumerate(recorded)}
        places = [i for i, layer in enumerate(ids) if layer in row_of]
        if not places:
            raise FormatError(
                f"{source}: no token recorded in any of the layers asked for ({listed(ids)}), its layers are "
                f"{listed(recorded)}"
            )
        windows, _, experts = self.load.shape
        load = np.zeros((windows, len(ids), experts), dtype=self.load.dtype)
        load[:, places] = self.load[:, [row_of[ids[i]] for i in places]]
        silent = tuple(i for i in self.silent_layers if i not in ids)
        self._warn_of_unrecorded(ids, source)
        last = self._with_last(max(ids))
        return replace(
            self,
            load=load,
            layer_ids=tuple(ids),
            silent_layers=silent,
            hidden_layers=last,
        )

    def _with_last(self, layer: int) -> int | None:
        """Layers of the model, with one that the recording does not reach, such as that of multi-token prediction."""
        if self.hidden_layers is None:
            return None
        return max(self.hidden_layers, layer + 1)

    def _warn_of_unrecorded(self, ids: Sequence[int], source: str) -> None:
        known = {*(self.layer_ids or ()), *self.silent_layers}
        absent = [i for i in ids if i not in known]
        if absent:
            warnings.warn(
                f"{source}: layers {listed(absent)} are not recorded (it has {listed(self.layer_ids or ())}): their "
                "loads are 0, so their map is valid and no more",
                FormatWarning,
                stacklevel=5,
            )

    def _warn_of_silent(self, source: str) -> None:
        first = min(self.layer_ids or (0,))
        late = [i for i in self.silent_layers if i > first]
        if late:
            warnings.warn(
                f"{source}: no token in {len(late)} of the layers after the first recorded one ({listed(late)}): "
                "taken for dense layers; if they are not, name all MoE layers with --layers",
                FormatWarning,
                stacklevel=4,
            )

    def select(self, which: str) -> Loads:
        """Some windows: ``all``, indices and ranges (``0``, ``1,3``, ``0:16``, ``-1``), or labels.

        Raises
        ------
        FormatError
            There is no such window.
        """
        if which == "all":
            return self
        parts = [part.strip() for part in which.split(",")]
        chosen = [i for part in parts for i in self._indices(part)]
        labels = tuple(self.windows[i] for i in chosen)
        return replace(self, load=self.load[chosen], windows=labels)

    def _indices(self, part: str) -> list[int]:
        """The windows that a label, an index or a range names."""
        if part in self.windows:
            return [i for i, label in enumerate(self.windows) if label == part]
        chosen = self._by_number(part)
        if not chosen:
            count = len(self.windows)
            near = did_you_mean(part, self.windows)
            raise FormatError(
                f"no window {part!r}: the file has {count} (0..{count - 1}), use an index, a "
                f"range such as 0:{count}, {self._labels()}, or all{near}"
            )
        return chosen

    def _by_number(self, part: str) -> list[int]:
        """The windows of an index or a range; none where it names none, or others too."""
        every = range(len(self.windows))
        try:
            if ":" not in part:
                return [every[int(part)]]
            low, high = map(_bound, part.split(":"))
        except (ValueError, IndexError):
            return []
        is_beyond = high is not None and high > len(every)
        return [] if is_beyond else list(every[low:high])

    def _labels(self) -> str:
        """The labels that may be named, as an error says them: all of a few."""
        labels = list(dict.fromkeys(self.windows))
        if labels == [str(number) for number in range(len(self.windows))]:
            return "a label"  # there are none but the numbers
        more = len(labels) - MOST_LABELS
        rest = f" and {more} more" if more > 0 else ""
        return f"a label ({', '.join(labels[:MOST_LABELS])}{rest})"


def _check_width(experts: int, source: str) -> None:
    """Raise `FormatError` for more experts than models have."""
    if experts > MOST_EXPERTS:
        raise FormatError(
            f"{source}: {experts} experts: no model has more than {MOST_EXPERTS}"
        )


def _bound(text: str) -> int | None:
    """An end of a range; blank: the first, or the last."""
    return int(text) if text.strip() else None


def _last_layers(
    rows: int, hidden_layers: int | None, source: str
) -> tuple[int, ...] | None:
    """The ids of rows that are the last layers of a model; None where it has no more layers, or too many."""
    if hidden_layers is None or not rows < hidden_layers <= MOST_LAYERS:
        return None
    ids = tuple(range(hidden_layers - rows, hidden_layers))
    warnings.warn(
        f"{source}: its {rows} layers are taken for the last of {hidden_layers}, {ids[0]}..{ids[-1]}; if dense "
        "layers are among them, say with --layers which they are",
        FormatWarning,
        stacklevel=3,
    )
    return ids
