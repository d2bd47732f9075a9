"""Sizes and speeds as people write them: ``44MiB``, ``50GB/s``, ``400Gbit/s``."""

from __future__ import annotations

import argparse
import math
import re

NUMBER = re.compile(r"([0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?) ?([A-Za-z]*(?:/s)?)")
DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
PREFIXES = DECIMAL | BINARY
BYTES = {f"{prefix}B": float(factor) for prefix, factor in PREFIXES.items()}
BITS = {f"{prefix}bit": factor / 8 for prefix, factor in DECIMAL.items()}
SIZES = {"": 1.0} | BYTES
SPEEDS = {"": 1.0} | {f"{unit}/s": factor for unit, factor in (BYTES | BITS).items()}


def bytes_in(text: str) -> int:
    """A size in bytes, of at least one byte.

    Raises
    ------
    argparse.ArgumentTypeError
        It is none.

    Examples
    --------
    >>> bytes_in("44MiB"), bytes_in("1.5GB"), bytes_in("4096")
    (46137344, 1500000000, 4096)
    """
    size = _value(text, SIZES)
    if not 1 <= size < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give bytes, such as 44MiB, 46.1MB or 46137344"
        )
    return round(size)


def speed_in(text: str) -> float:
    """A speed in bytes a second, above 0; a byte has eight bits.

    Raises
    ------
    argparse.ArgumentTypeError
        It is none.

    Examples
    --------
    >>> speed_in("50GB/s"), speed_in("400Gbit/s"), speed_in("5e9")
    (50000000000.0, 50000000000.0, 5000000000.0)
    """
    speed = _value(text, SPEEDS)
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give a speed, such as 50GB/s or 400Gbit/s"
        )
    return speed


def _value(text: str, units: dict[str, float]) -> float:
    """A number in one of the units; NaN for what is none."""
    found = NUMBER.fullmatch(text.strip())
    if found is None or found[2] not in units:
        return math.nan
    return float(found[1]) * units[found[2]]
