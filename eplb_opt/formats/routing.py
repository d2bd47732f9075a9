"""Experts of tokens: the form between what recorders keep of each token and loads, which are counted in windows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from .held import MOST_EXPERTS, Loads
from .layers import listed
from .reading import OversizeError, check_unpacked
from .top_k import repeated

NOBODY = -1  # in place of an expert
MOST_LAYERS = 1024  # [layers, tokens, top k] would have more
CHUNK = 1 << 22  # ids that are counted at a time
OPTION = "--tokens-per-window"
EXPERTS = "--experts"


@dataclass(frozen=True, eq=False)
class Routing:
    """The experts that each token was routed to, in the order of the tokens.

    Attributes
    ----------
    experts : integer array [tokens, layers, top_k]
        Logical experts; negative: no expert, as of padding and of layers that were not recorded.
    layer_ids : tuple of int, or None
        Absolute layer index of each layer; None if the file does not say.
    num_experts : int, or None
        Experts of the model, where the file says so.
    has_dense_layers : bool
        There is a row for every hidden layer of the model; of dense ones all ids are 0 or negative.

    Examples
    --------
    >>> from eplb_opt.formats import Routing
    >>> routing = Routing(np.array([[[0, 1]], [[2, 0]], [[0, 2]], [[1, 2]]]), layer_ids=(3,))
    >>> routing.loads("a recording", tokens_per_window=2).load.tolist()
    [[[2, 1, 1]], [[1, 1, 2]]]
    """

    experts: npt.NDArray[Any]
    layer_ids: tuple[int, ...] | None = None
    num_experts: int | None = None
    has_dense_layers: bool = False

    def loads(
        self,
        source: str,
        tokens_per_window: int | None = None,
        num_experts: int | None = None,
    ) -> Loads:
        """Tokens of each expert, in windows of so many tokens one after the other.

        Parameters
        ----------
        source : str
            The file's name, for messages.
        tokens_per_window : int, optional
            Tokens of a window; default: all of them.
        num_experts : int, optional
            Experts of the model; default: what the file says, or up to the largest that a token went to.

        Returns
        -------
        Loads

        Raises
        ------
        FormatError
            There are fewer tokens than a window has, an expert beyond ``num_experts``, a token that goes to one expert
            twice, or nothing was recorded.

        Warns
        -----
        FormatWarning
            Tokens behind the last whole window, or without a record in a layer, are left out.
        """
        experts = self._recorded(self._checked(source), source)
        _warn_of_layers(len(experts), experts.shape[1], source)
        width = self._num_experts(experts, num_experts, source)
        tokens = tokens_per_window or len(experts)
        windows = _windows(len(experts), tokens, source)
        _check_size(windows, experts.shape[1], width, source)
        whole = experts[: windows * tokens]
        load = _counted(whole.reshape(windows, tokens, *experts.shape[1:]), width)
        return self._as_loads(load, source)

    def _checked(self, source: str) -> npt.NDArray[Any]:
        """The experts, if they are integers of the right shape and there are some."""
        experts = self.experts
        is_integer = experts.dtype.kind in "iu"
        if experts.ndim != 3 or not experts.size or not is_integer:
            raise FormatError(
                f"{source}: experts of shape {experts.shape} and dtype {experts.dtype}, expected integers "
                "[tokens, layers, top k]"
            )
        if experts.max() >= MOST_EXPERTS:
            raise FormatError(
                f"{source}: expert {experts.max()}: no model has more than {MOST_EXPERTS}"
            )
        if experts.shape[1] > MOST_LAYERS:
            raise FormatError(
                f"{source}: {experts.shape[1]} layers, expected [tokens, layers, top k]: no model has more than "
                f"{MOST_LAYERS}"
            )
        return experts

    def _recorded(self, experts: npt.NDArray[Any], source: str) -> npt.NDArray[Any]:
        """The experts, different ones of each token; -1 where recorders with a row for every layer have none."""
        if self.has_dense_layers:
            return without_unrecorded(experts, source)
        _check_distinct(experts, np.zeros(experts.shape[:2], dtype=bool), source)
        return experts

    def _num_experts(
        self, experts: npt.NDArray[Any], given: int | None, source: str
    ) -> int:
        """The experts of the model, as the file or the option says; else up to the largest."""
        said = self.num_experts
        if said is not None and given is not None and said != given:
            raise FormatError(
                f"{source}: it has {said} experts, {EXPERTS} says {given}: leave it out"
            )
        known = said or given
        if known is not None and known > MOST_EXPERTS:
            raise FormatError(
                f"{source}: {known} experts: no model has more than {MOST_EXPERTS}"
            )
        largest = int(experts.max())
        if known is not None and largest >= known:
            raise FormatError(
                f"{source}: a token goes to expert {largest}, of {known} experts: correct {EXPERTS}"
            )
        return known or largest + 1

    def _as_loads(self, load: npt.NDArray[np.int64], source: str) -> Loads:
        """Loads [windows, layers, experts] with what is known of the layers."""
        labels = tuple(str(window) for window in range(len(load)))
        is_active = np.asarray((load > 0).any(axis=(0, 2)))
        if not is_active.any():
            raise FormatError(f"{source}: no token with an expert in any layer")
        if not self.has_dense_layers:
            return Loads(load, self.layer_ids, labels)
        silent = tuple(np.flatnonzero(~is_active).tolist())
        ids = tuple(np.flatnonzero(is_active).tolist())
        layers = len(is_active)
        active = load[:, is_active]
        return Loads(active, ids, labels, hidden_layers=layers, silent_layers=silent)


def _warn_of_layers(tokens: int, layers: int, source: str) -> None:
    """Warn of more layers than tokens: the axes may be others."""
    if layers > tokens:
        warnings.warn(
            f"{source}: {tokens} tokens of {layers} layers: expected [tokens, layers, top k]; if it is "
            "[layers, tokens, top k], turn the axes round",
            FormatWarning,
            stacklevel=5,
        )


def without_unrecorded(experts: npt.NDArray[Any], source: str) -> npt.NDArray[Any]:
    """The experts [tokens, layers, top_k] with -1 wherever nothing was recorded.

    Recorders fill a buffer of 0 or -1. So a layer in which all ids of all tokens are 0 has no experts, and a token
    whose ids in a layer are all the same one was not recorded there.

    Raises
    ------
    FormatError
        A token goes to one expert twice: the axes are others, or the ids are none of experts.

    Warns
    -----
    FormatWarning
        A token was not recorded in a layer that others were recorded in.
    """
    largest = experts.max(axis=(0, 2))  # [layers]
    is_empty = largest <= 0
    has_choice = experts.shape[2] > 1
    is_constant = (experts == experts[:, :, :1]).all(axis=2) & has_choice
    is_lost = is_constant & ~is_empty & (experts[:, :, 0] >= 0)
    _check_distinct(experts, is_constant | is_empty, source)
    _warn_of_lost(is_lost, source)
    signed = experts.astype(np.int32, copy=True)
    signed[is_lost] = NOBODY
    signed[:, is_empty] = NOBODY
    return signed


def _check_distinct(
    experts: npt.NDArray[Any], is_exempt: npt.NDArray[np.bool_], source: str
) -> None:
    """Raise `FormatError` if a token goes to an expert twice in a layer, where it is not exempt."""
    repeats = np.argwhere(repeated(experts) & ~is_exempt)
    if len(repeats):
        token, layer = (int(i) for i in repeats[0])
        ids = listed(experts[token, layer].tolist())
        raise FormatError(
            f"{source}: token {token} goes to one expert twice in layer row {layer} ({ids}): expected different "
            "experts, [tokens, layers, top k]"
        )


def _warn_of_lost(is_lost: npt.NDArray[np.bool_], source: str) -> None:
    lost = int(np.count_nonzero(is_lost))
    if lost:
        token, layer = (int(i) for i in np.argwhere(is_lost)[0])
        warnings.warn(
            f"{source}: {lost} of {is_lost.size} pairs of token and layer have the same expert in all places (token "
            f"{token}, layer row {layer}): taken for not recorded",
            FormatWarning,
            stacklevel=6,
        )


def _windows(tokens: int, per_window: int, source: str) -> int:
    """How many whole windows there are."""
    windows = tokens // per_window
    if not windows:
        raise FormatError(
            f"{source}: {tokens} tokens, fewer than one window of {per_window}: give a smaller {OPTION}"
        )
    rest = tokens - windows * per_window
    if rest:
        warnings.warn(
            f"{source}: {tokens} tokens make {windows} windows of {per_window}; the last {rest} are left out",
            FormatWarning,
            stacklevel=6,
        )
    return windows


def _check_size(windows: int, layers: int, experts: int, source: str) -> None:
    """Raise `FormatError` if the loads take more memory than they should."""
    try:
        check_unpacked(windows * layers * experts * 8)
    except OversizeError as error:
        raise FormatError(f"{source}: {error}; or give a larger {OPTION}") from None


def _counted(experts: npt.NDArray[Any], width: int) -> npt.NDArray[np.int64]:
    """Loads [windows, layers, width] of experts [windows, tokens, layers, top_k]."""
    windows, _, layers, _ = experts.shape
    load = np.zeros((windows, layers, width), dtype=np.int64)
    first_bin = np.arange(layers)[:, None] * width
    for window, part in _parts(experts):
        bins = (part + first_bin)[part >= 0]
        counts = np.bincount(bins, minlength=layers * width)
        load[window] += counts.reshape(layers, width)
    return load


def _parts(experts: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Window and experts [tokens, layers, top_k] of as many tokens as are counted at a time."""
    windows, tokens, layers, top_k = experts.shape
    step = max(1, CHUNK // (layers * top_k))
    for window in range(windows):
        for first in range(0, tokens, step):
            yield window, experts[window, first : first + step]


def in_one(parts: list[npt.NDArray[Any]], source: str) -> npt.NDArray[Any]:
    """The experts [tokens, layers, top_k] of requests, one after the other.

    Raises
    ------
    FormatError
        There are none, or they are not of one model.
    """
    if not parts:
        raise FormatError(f"{source}: no request with experts of its tokens")
    first = parts[0].shape
    for part in parts:
        if part.ndim != 3 or part.shape[1:] != first[1:]:
            raise FormatError(
                f"{source}: experts of shapes {first} and {part.shape}, expected [tokens, layers, top k] of one model"
            )
    return np.concatenate(parts)
