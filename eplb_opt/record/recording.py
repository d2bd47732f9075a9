"""Recording a model's routers: hooks that are there within a ``with`` block, and the loads that they counted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from ..errors import FormatWarning, OptionError
from ..formats import Loads, write_loads
from .counting import Counter
from .layers import ids_of, moe_layers, num_experts_of
from .padding import kept_of


def record(model: torch.nn.Module, tokens_per_window: int | None = None) -> Recording:
    """Count the tokens of each expert while a Hugging Face Transformers MoE model runs.

    Parameters
    ----------
    model : torch.nn.Module
        A model of ``transformers>=5`` with MoE layers, or another whose blocks call a module ``experts`` with the ids
        [tokens, top k] of the experts that the router chose. It is run as ever, on any device.
    tokens_per_window : int, optional
        Tokens of a window; default: one window of all. Tokens behind the last whole window are left out.

    Returns
    -------
    Recording
        A context manager: it records from entering to leaving.

    Raises
    ------
    OptionError
        ``tokens_per_window`` is no positive integer, or the model has no MoE layers.

    Notes
    -----
    Tokens that an ``attention_mask`` [batch, tokens] of the call says are padding do not count. The model's results
    stay the same. A block whose computation a kernel has replaced is not seen: `Recording.loads` says so.

    Examples
    --------
    >>> import torch
    >>> from eplb_opt.record import record
    >>> class Experts(torch.nn.Module):
    ...     num_experts = 4
    ...     def forward(self, hidden_states, top_k_index, top_k_weights):
    ...         return hidden_states
    >>> class Block(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.experts = Experts()
    ...     def forward(self, hidden_states):
    ...         scores, ids = hidden_states.topk(2, dim=-1)
    ...         return self.experts(hidden_states, ids, scores)
    >>> model = torch.nn.ModuleDict({"layers": torch.nn.Sequential(Block())})
    >>> with record(model, tokens_per_window=2) as recording:
    ...     hidden_states = torch.tensor([[3.0, 2, 1, 0], [0, 1, 3, 2]])
    ...     _ = model["layers"](hidden_states)
    >>> recording.loads().load.tolist()
    [[[1, 1, 1, 1]]]
    """
    return Recording(model, tokens_per_window)


class Recording:
    """What a model's routers chose, as it is counted (see `record`, which makes it).

    Parameters
    ----------
    model : torch.nn.Module
    tokens_per_window : int, optional

    Raises
    ------
    OptionError
        See `record`.

    Examples
    --------
    See `record`.

    >>> from eplb_opt.record import Recording
    >>> Recording.__name__
    'Recording'
    """

    def __init__(
        self, model: torch.nn.Module, tokens_per_window: int | None = None
    ) -> None:
        _check_tokens(tokens_per_window)
        self._model = model
        self._modules = moe_layers(model)
        self._tokens_per_window = tokens_per_window
        self._counters = {
            layer: Counter(num_experts_of(module), tokens_per_window)
            for layer, module in self._modules.items()
        }
        self._hooks: list[Any] = []
        self._keep: torch.Tensor | None = None  # of the tokens of this call

    def __enter__(self) -> Recording:
        if self._hooks:
            raise OptionError("the model is being recorded already: leave it first")
        call = self._model.register_forward_pre_hook(self._begin, with_kwargs=True)
        self._hooks.append(call)
        for layer, module in self._modules.items():
            hook = _Hook(self, self._counters[layer])
            self._hooks.append(module.register_forward_pre_hook(hook, with_kwargs=True))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._keep = None

    def _begin(
        self, model: torch.nn.Module, args: Sequence[Any], named: Mapping[str, Any]
    ) -> None:
        """Note which tokens of the call are padding."""
        self._keep = kept_of(args, named)

    def kept(self, ids: torch.Tensor) -> torch.Tensor:
        """The ids [tokens, top_k] without those of padding."""
        keep = self._keep
        if keep is None or len(keep) != len(ids):
            return ids
        return ids[keep.to(ids.device)]

    @property
    def tokens(self) -> int:
        """Tokens that were recorded so far, in the layer with the fewest."""
        return min(counter.tokens for counter in self._counters.values())

    def loads(self) -> Loads:
        """The loads that were counted.

        Returns
        -------
        Loads
            ``load`` [windows, MoE layers, experts] in routed tokens, with absolute layer ids.

        Raises
        ------
        OptionError
            No whole window was recorded, or layers saw different numbers of tokens.

        Warns
        -----
        FormatWarning
            Tokens behind the last whole window are left out.
        """
        seen = {layer: counter.tokens for layer, counter in self._counters.items()}
        if len(set(seen.values())) > 1:
            raise OptionError(
                f"layers saw different numbers of tokens ({_shown(seen)}): a block that a kernel replaces is not seen"
            )
        tokens = self.tokens
        per_window = self._tokens_per_window or max(tokens, 1)
        if tokens < per_window:
            raise OptionError(
                f"{tokens} tokens were recorded, fewer than one window of {per_window}: run the model within the block"
            )
        self._warn_of_rest(tokens % per_window, per_window)
        return self._as_loads()

    def _as_loads(self) -> Loads:
        rows = [counter.counts() for counter in self._counters.values()]
        load: Any = torch.stack(rows, dim=1).numpy()
        labels = tuple(str(window) for window in range(len(load)))
        return Loads(np.asarray(load, dtype=np.int64), tuple(self._counters), labels)

    def _warn_of_rest(self, rest: int, per_window: int) -> None:
        if rest:
            warnings.warn(
                f"the last {rest} tokens are fewer than a window of {per_window}: left out",
                FormatWarning,
                stacklevel=3,
            )

    def save(self, path: str | Path, name: str | None = None) -> None:
        """Write the loads, atomically; the command reads them.

        Parameters
        ----------
        path : str or Path
            The file.
        name : str, optional
            One of `eplb_opt.formats.output_formats` that holds loads; default: the file's ending.

        Raises
        ------
        OptionError
            As of `loads`.
        FormatError
            The file cannot be written.
        """
        write_loads(path, self.loads(), name)


class _Hook:
    """Counts what a layer's experts are called with."""

    def __init__(self, recording: Recording, counter: Counter) -> None:
        self.recording = recording
        self.counter = counter

    def __call__(
        self, module: torch.nn.Module, args: Sequence[Any], named: Mapping[str, Any]
    ) -> None:
        ids = ids_of(args, named)
        if ids is not None:
            self.counter.add(self.recording.kept(ids.detach()))


def _shown(seen: Mapping[int, int]) -> str:
    parts = [f"layer {layer}: {tokens}" for layer, tokens in list(seen.items())[:4]]
    return ", ".join(parts)


def _check_tokens(tokens_per_window: int | None) -> None:
    if tokens_per_window is None:
        return
    if type(tokens_per_window) is not int or tokens_per_window < 1:
        raise OptionError(
            f"tokens_per_window={tokens_per_window!r}: give a positive integer, or None for one window"
        )
