"""A measured cost as text: its table, what was measured, and how far it is from steps that were held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .layout import Column

MICRO = 1e6  # of a second
MEBI = 2**20
MOST_SHOWN = 6  # tokens of the worst step


def measured_lines(content: Mapping[str, Any]) -> list[str]:
    """The card, and the experts.

    Parameters
    ----------
    content : mapping
        Of `calibration.cost_file.cost_content`.
    """
    about = content["about"]
    shape = about["shape"]
    versions = [f"{name} {version}" for name, version in about["versions"].items()]
    experts = f"{shape['hidden']} x {shape['intermediate']} in {shape['dtype']}"
    return [
        ", ".join([about["card"], *versions]),
        f"ranks of up to {shape['experts']} experts, {experts}",
    ]


def cost_table(content: Mapping[str, Any]) -> list[Column]:
    """Microseconds of a replica by its tokens."""
    seconds = [f"{value * MICRO:.1f}" for value in content["seconds"]]
    tokens = [str(count) for count in content["tokens"]]
    return [Column("tokens", tokens), Column("us of a replica", seconds)]


def held_out_lines(content: Mapping[str, Any]) -> list[str]:
    """What a rank costs besides, and the errors of the prediction."""
    error = content["about"]["held_out_error"]
    tokens = _shortened(error["worst_step"])
    return [
        f"and {content['per_rank'] * MICRO:.1f} us of every rank",
        f"{error['steps']} steps held out of the fit: error median {error['median']:.1%},",
        f"worst {error['worst']:.1%} (experts with {tokens} tokens)",
    ]


def _shortened(tokens: Sequence[int]) -> str:
    """The first of some numbers, and how many follow."""
    shown = ", ".join(str(count) for count in tokens[:MOST_SHOWN])
    more = len(tokens) - MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
