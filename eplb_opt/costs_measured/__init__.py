"""Costs that were measured and ship with the package, by name; `benchmarks.cost_tables` makes them."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
ENDING = ".json"


def measured_names() -> list[str]:
    """Names of the costs that ship with the package, in order.

    Returns
    -------
    list of str

    Examples
    --------
    >>> "h100-deepseek-v3" in measured_names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob(f"*{ENDING}"))


def measured_path(name: str) -> Path | None:
    """The file of a cost that ships with the package.

    Parameters
    ----------
    name : str

    Returns
    -------
    Path or None
        None: none has that name.

    Examples
    --------
    >>> measured_path("h100-deepseek-v3").name
    'h100-deepseek-v3.json'
    >>> measured_path("no-such-cost") is None
    True
    """
    return FOLDER / f"{name}{ENDING}" if name in measured_names() else None
