"""Megatron-LM: what its ``RouterTracer`` writes (``--moe-routing-trace-path``, pull request 5220, read in June 2026).

A folder with ``router_trace_rank{r}.jsonl``, or one such file: a record a step, layer and rank, with ``step``,
``block`` (``decoder`` or ``mtp``), ``layer``, ``rank``, ``num_tokens`` and ``top_indices`` [tokens, top k]. Ranks run
other tokens; layers are numbered in the pipeline stage, so give the files of one. Records of multi-token prediction
are left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from .content import read_content
from .files import rectangular
from .format import Format, Side
from .layers import listed
from .routing import Routing, in_one

FILES = "router_trace_rank*.jsonl"
IDS = "top_indices"
DECODER = "decoder"
Experts = npt.NDArray[Any]
Passes = dict[tuple[int, int], dict[int, Experts]]  # step and rank -> layer -> experts


def has_routing(content: Any) -> bool:
    """Records with the experts of tokens, or a folder of such files."""
    if isinstance(content, Path):
        return any(content.glob(FILES))
    first = content[0] if isinstance(content, list) and content else content
    return isinstance(first, Mapping) and IDS in first and "layer" in first


def decode_routing(content: Any, source: str) -> Routing:
    """The tokens of all steps, in a step of all ranks.

    Warns
    -----
    FormatWarning
        A rank did not record all layers in a step, or there are records of multi-token prediction: left out.
    """
    passes: Passes = {}
    others = sum(
        _add(passes, record, name) for name, record in _records(content, source)
    )
    layers = sorted({layer for ids in passes.values() for layer in ids})
    whole = [place for place in sorted(passes) if len(passes[place]) == len(layers)]
    if not whole:
        raise FormatError(f"{source}: no step of which all layers are recorded")
    _warn_of_rest(len(passes) - len(whole), others, source)
    parts = [_stacked(passes[place], layers, place, source) for place in whole]
    return Routing(in_one(parts, source), tuple(layers))


def _records(content: Any, source: str) -> Iterator[tuple[str, Any]]:
    """Each record, with the file that it is in."""
    if isinstance(content, Path):
        for path in sorted(content.glob(FILES)):
            yield from _records(read_content(path), str(path))
        return
    if not has_routing(content):
        raise FormatError(f"{source}: no records with 'layer' and {IDS!r}")
    for record in content if isinstance(content, list) else [content]:
        yield source, record


def _add(passes: Passes, record: Any, source: str) -> bool:
    """Add a record of the decoder; whether it is another."""
    try:
        numbers = [record[name] for name in ("step", "rank", "layer")]
        ids = rectangular(record[IDS], f"{IDS} is", source)
        block = record.get("block", DECODER)
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{source}: a record is not what Megatron's tracer writes ({error!r})"
        ) from None
    if block != DECODER:
        return True
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise FormatError(f"{source}: step, rank and layer {listed(numbers)}")
    step, rank, layer = numbers
    _check_ids(ids, record.get("num_tokens"), source)
    if layer in passes.setdefault((step, rank), {}):
        raise FormatError(
            f"{source}: step {step}, layer {layer} of rank {rank} is there twice: give the files of one run and of "
            "one pipeline stage"
        )
    passes[step, rank][layer] = ids
    return False


def _check_ids(ids: Experts, tokens: Any, source: str) -> None:
    is_matrix = ids.ndim == 2 and ids.dtype.kind in "iu"
    if not is_matrix or len(ids) != tokens:
        raise FormatError(
            f"{source}: {IDS} of shape {ids.shape} and dtype {ids.dtype} for {str(tokens)[:20]} tokens, expected "
            "integers [tokens, top k]"
        )


def _stacked(
    ids: dict[int, Experts], layers: list[int], place: tuple[int, int], source: str
) -> Experts:
    """The experts [tokens, layers, top_k] of a rank in a step."""
    shapes = {ids[layer].shape for layer in layers}
    if len(shapes) > 1:
        raise FormatError(
            f"{source}: layers of {sorted(shapes)[:2]} tokens and experts in step {place[0]} of rank {place[1]}"
        )
    return np.stack([ids[layer] for layer in layers], axis=1)


def _warn_of_rest(partial: int, others: int, source: str) -> None:
    if partial:
        warnings.warn(
            f"{source}: {partial} steps of ranks lack layers: left out",
            FormatWarning,
            stacklevel=3,
        )
    if others:
        warnings.warn(
            f"{source}: {others} records of multi-token prediction are left out",
            FormatWarning,
            stacklevel=3,
        )


FORMAT = Format(
    name="megatron",
    summary="Megatron-LM: traces of its routers (a folder of .jsonl, or one of them)",
    routing=Side(recognises=has_routing, reads=decode_routing),
)
