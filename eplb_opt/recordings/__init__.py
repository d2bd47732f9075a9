"""A recording that comes with the package: real routes of a small model, see README.md beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import OptionError, shown

if TYPE_CHECKING:
    import numpy.typing as npt

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


@dataclass(frozen=True, eq=False)
class Routes:
    """Where single tokens went.

    Attributes
    ----------
    experts : array [tokens, layers, top-k], uint8
        The experts of a token in each layer, the strongest first.
    layer_ids : tuple of int
        Absolute layer indices.
    kinds : tuple of str
        The kind of text of each token; tokens of a kind are in the order of the text.
    """

    experts: npt.NDArray[np.uint8]
    layer_ids: tuple[int, ...]
    kinds: tuple[str, ...]


def demo_routes() -> Routes:
    """The experts of single tokens, 2,048 of each kind of text, by the model of `demo_recording`.

    Their text is in none of the windows of `demo_recording`. The command reads the file with ``--tokens-per-window``.

    Returns
    -------
    Routes

    Examples
    --------
    >>> routes = demo_routes()
    >>> routes.experts.shape
    (16384, 16, 8)
    >>> int(np.bincount(routes.experts[:, 0].ravel()).sum())  # as in loads, a token counts 8 times
    131072
    """
    with np.load(FOLDER / f"{MODEL}-tokens.npz") as archive:
        layer_ids = tuple(archive["layer_ids"].tolist())
        kinds = tuple(archive["kind"].tolist())
        return Routes(archive["routed_experts"], layer_ids, kinds)


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
