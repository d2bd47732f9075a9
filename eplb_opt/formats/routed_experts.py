"""Experts of the tokens of requests, as vLLM and SGLang return them (read in vLLM 0.33.0 and SGLang 0.5.23).

Both have a row for every hidden layer, of dense ones 0, and none for the last token, which was sampled and not run.

vLLM (``--enable-return-routed-experts``): ``routed_experts`` of a completion, an array [tokens, hidden layers, top k]
of logical experts in uint8 or uint16; in the server's replies, in each of ``choices``, base64 of its npy file.

SGLang (``return_routed_experts``): ``routed_experts`` in ``meta_info`` of a reply, or in ``sglext`` of an OpenAI one:
base64 of int32 without a shape. How many tokens there are follows from ``prompt_tokens`` and ``completion_tokens``;
top k is the largest for which no token goes to an expert twice.

Here: an npy file or a folder of them, one a request, an npz or torch file of such arrays, JSON or JSON lines of replies
or of nested lists, Parquet with a column ``routed_experts``. A bare array is told from other arrays by
``--input-format routed-experts`` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..errors import FormatError
from .base64_experts import decode_npy, decode_raw, in_layers, is_npy
from .content import read_content
from .files import rectangular
from .format import Format, Side
from .reading import OversizeError, check_unpacked
from .routing import Routing, in_one

KEY = "routed_experts"
FILES = "*.npy"
BELOW = ("choices", "outputs", "meta_info", "sglext", "requests", "responses")
DEPTH = 8  # of what holds the key
Experts = npt.NDArray[Any]


def has_routing(content: Any) -> bool:
    """Whether a request, or the first of several, says its experts under their key."""
    return next(_requests(content, "", {}), None) is not None


def decode_routing(content: Any, source: str) -> Routing:
    """The tokens of all requests, one after the other."""
    parts = list(_parts(content, source))
    _check_size(parts, source)
    if parts and all(part.ndim == 2 for part in parts):
        parts = in_layers(parts, source)
    return Routing(in_one(parts, source), has_dense_layers=True)


def _check_size(parts: list[Experts], source: str) -> None:
    try:
        check_unpacked(sum(part.nbytes for part in parts))
    except OversizeError as error:
        raise FormatError(f"{source}: {error}") from None


def _parts(content: Any, source: str) -> Iterator[Experts]:
    """The experts [tokens, layers, top k] of each request; of text without a shape [tokens, layers * top k]."""
    if isinstance(content, Path):
        yield from _files(content, source)
        return
    is_named = False
    for value, request in _requests(content, source, {}):
        is_named = True
        yield as_experts(value, request, source)
    if not is_named:
        yield from _bare(content, source)


def _files(folder: Path, source: str) -> Iterator[Experts]:
    """A folder's files, in the order of their names."""
    files = sorted(folder.glob(FILES))
    if not files:
        raise FormatError(f"{source}: no {FILES} in the folder, one a request")
    for path in files:
        yield as_experts(read_content(path), {}, str(path))


def _bare(content: Any, source: str) -> Iterator[Experts]:
    """Arrays without a key: one, several by name, or a list of them."""
    if isinstance(content, Mapping):
        for value in content.values():
            yield as_experts(value, {}, source)
    elif isinstance(content, list) and _is_list_of_requests(content):
        for value in content:
            yield as_experts(value, {}, source)
    else:
        yield as_experts(content, {}, source)


def _is_list_of_requests(content: list[Any]) -> bool:
    """Whether lists are four deep, [requests, tokens, layers, top k], or hold texts."""
    first: Any = content
    for _ in range(3):
        first = first[0] if isinstance(first, list) and first else None
    return isinstance(content[0], str) or isinstance(first, list)


def _requests(
    content: Any, source: str, request: Mapping[str, Any], depth: int = DEPTH
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """What is under the key in each request, and the mapping that says how many tokens it has."""
    if depth and isinstance(content, list):
        for item in content:
            if isinstance(item, Mapping):
                yield from _requests(item, source, request, depth - 1)
    if not isinstance(content, Mapping) or not depth:
        return
    said = {**request, **_sizes(content)}
    if content.get(KEY) is not None:
        yield from _values(content[KEY], said)
        return
    for name in BELOW:
        yield from _requests(content.get(name), source, said, depth - 1)


def _values(
    value: Any, request: Mapping[str, Any]
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """The value itself; of a column of a table, or of lists four deep, each of its requests."""
    is_several = isinstance(value, list) and value and _is_list_of_requests(value)
    for i, one in enumerate(value if is_several else [value]):
        if one is not None:
            yield one, _at(request, i, len(value)) if is_several else request


def _at(request: Mapping[str, Any], row: int, rows: int) -> dict[str, Any]:
    """What columns say of one of so many requests."""
    return {
        name: said[row] if isinstance(said, list) and len(said) == rows else said
        for name, said in request.items()
    }


def _sizes(content: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of tokens that a reply says, itself or under ``usage``."""
    usage = content.get("usage")
    places = [content, usage] if isinstance(usage, Mapping) else [content]
    names = ("prompt_tokens", "completion_tokens", "routed_experts_start_len")
    return {name: place[name] for place in places for name in names if name in place}


def as_experts(value: Any, request: Mapping[str, Any], source: str) -> Experts:
    """The experts of one request (see `_parts`), from an array, nested lists or base64."""
    if isinstance(value, str):
        if is_npy(value):
            value = decode_npy(value, source)
        else:
            return decode_raw(value, _tokens(request, source), source)
    array = rectangular(value, "the experts of tokens are", source)
    if array.ndim != 3 or array.dtype.kind not in "iu":
        raise FormatError(
            f"{source}: experts of shape {array.shape} and dtype {array.dtype}, expected integers "
            "[tokens, layers, top k]"
        )
    return array


def _tokens(request: Mapping[str, Any], source: str) -> int:
    """How many tokens of a request were run: all but the last, from the first that was asked for."""
    prompt = request.get("prompt_tokens")
    completion = request.get("completion_tokens")
    start = request.get("routed_experts_start_len", 0)
    if not _are_counts([prompt, completion, start]):
        raise FormatError(
            f"{source}: {KEY} without a shape, and no prompt_tokens and completion_tokens beside it: give the reply "
            "whole, or arrays [tokens, layers, top k]"
        )
    return int(prompt + completion - 1 - start)  # type: ignore[operator]


def _are_counts(values: Sequence[Any]) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 40 for value in values)


FORMAT = Format(
    name="routed-experts",
    summary="vLLM and SGLang: routed_experts of requests, the experts of each token (npy, npz, pt, json, parquet)",
    routing=Side(recognises=has_routing, reads=decode_routing),
)
