"""Experts of tokens in text: base64 of an npy file, or of int32 without a shape."""

from __future__ import annotations

import base64
import binascii

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, is_fault_of_ours
from .arrays import first_line, parse_npy
from .top_k import top_k_of

NPY = "k05VTVBZ"  # base64 of what an npy file begins with, but for its last bits
Experts = npt.NDArray[np.int32]


def is_npy(text: str) -> bool:
    """Whether text is base64 of an npy file."""
    return text.startswith(NPY)


def decode_npy(text: str, source: str) -> npt.NDArray[np.generic]:
    """The array of an npy file in base64."""
    try:
        array: npt.NDArray[np.generic] = parse_npy(_bytes(text, source))
    except FormatError:
        raise
    # Whatever damaged bytes make the parser of a header raise.
    except Exception as error:
        if is_fault_of_ours(error):
            raise
        raise FormatError(
            f"{source}: routed_experts is no npy file in base64 ({first_line(error)})"
        ) from None
    return array


def decode_raw(text: str, tokens: int, source: str) -> Experts:
    """The experts [tokens, layers * top_k] of int32 in base64, of a request of so many tokens."""
    data = _bytes(text, source)
    is_whole = tokens > 0 and data and not len(data) % (4 * tokens)
    if not is_whole:
        raise FormatError(
            f"{source}: routed_experts has {len(data)} bytes, no multiple of {tokens} tokens of int32"
        )
    return np.frombuffer(data, dtype="<i4").reshape(tokens, -1)


def in_layers(parts: list[Experts], source: str) -> list[Experts]:
    """The experts [tokens, layers, top_k] of requests, of rows [tokens, layers * top_k]; top k is that of all."""
    widths = {part.shape[1] for part in parts}
    if len(widths) != 1:
        raise FormatError(
            f"{source}: tokens with {sorted(widths)[:4]} ids each: give requests of one model"
        )
    top_k = top_k_of(np.concatenate(parts))
    return [part.reshape(len(part), -1, top_k) for part in parts]


def _bytes(text: str, source: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(
            f"{source}: routed_experts is no base64 ({first_line(error)})"
        ) from None
