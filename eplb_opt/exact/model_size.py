"""How large a model of placement variables may be."""

from __future__ import annotations

from typing import Protocol

from ..limits import Limits

WORK_SIZE = 20_000  # placement variables a unit of work (about a second)
MAX_SIZE = 400_000


class Sized(Protocol):
    """What has placement variables."""

    @property
    def num_x(self) -> int:
        """How many."""


def most_variables(limits: Limits) -> float:
    """The most placement variables that limits have time for.

    Parameters
    ----------
    limits : Limits

    Returns
    -------
    float
    """
    if limits.work is None:
        return MAX_SIZE
    return min(MAX_SIZE, WORK_SIZE * limits.work)


def too_large(model: Sized, limits: Limits) -> str:
    """What an outcome says of a model that is too large for the limits; empty: it is not."""
    most = most_variables(limits)
    if model.num_x <= most:
        return ""
    return f"{model.num_x} placement variables, at most {most:.0f} here"
