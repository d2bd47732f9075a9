"""A recording that comes with the package: real routes of a small model, see README.md beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, shown

if TYPE_CHECKING:
    from ..formats import Loads

MODEL = "small-moe"
NAMES = ("days", "kinds")
FOLDER = Path(__file__).parent


def demo_recording(name: str = "days") -> Loads:
    """Expert loads of a small Mixture-of-Experts model, recorded over text that it was not trained on.

    The model has 16 layers of 64 experts and routes each token to 8 of them.

    Parameters
    ----------
    name : str, default "days"
        ``days``: two days in windows of half an hour, 8,192 tokens each, in which the shares of eight kinds of text
        drift. ``kinds``: eight windows of each kind, 4,096 tokens each, labelled by it.

    Returns
    -------
    Loads
        ``load`` [windows, layers, experts], int64, in routed tokens; ``layer_ids``; ``windows``, their labels.

    Raises
    ------
    OptionError
        There is no recording of that name.

    Examples
    --------
    >>> from eplb_opt import demo_recording
    >>> loads = demo_recording()
    >>> loads.load.shape
    (96, 16, 64)
    >>> loads.windows[0], loads.windows[-1]
    ('day 1 00:00', 'day 2 23:30')
    """
    from ..formats import read_loads

    return read_loads(path_of(name))


def path_of(name: str) -> Path:
    """The file of a recording, which the command reads, too.

    Parameters
    ----------
    name : str
        As for `demo_recording`.

    Returns
    -------
    Path

    Raises
    ------
    OptionError
        There is no recording of that name.

    Examples
    --------
    >>> path_of("kinds").name
    'small-moe-kinds.npz'
    """
    if name not in NAMES:
        raise OptionError(f"name={shown(name)}: choose from {', '.join(NAMES)}")
    return FOLDER / f"{MODEL}-{name}.npz"
