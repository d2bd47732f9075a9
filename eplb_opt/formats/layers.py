"""Layer ids: absolute indices in the model, which rows of files have or not."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import FormatError

MOST_LAYERS = 10_000  # of a model
MOST_SHOWN = 30  # digits of an id in an error's line


def agreed(name: str, found: int | None, given: int | None, source: str) -> int | None:
    """A size that the input says, or an option, or both.

    Parameters
    ----------
    name : str
        What it counts, for the message: ``"ranks"``.
    found, given : int or None
        What the input and the option say.
    source : str
        The input's name, for the message.

    Returns
    -------
    int or None
        None: neither says.

    Raises
    ------
    FormatError
        They differ.

    Examples
    --------
    >>> from eplb_opt.formats import agreed
    >>> agreed("ranks", None, 8, "map.npz")
    8
    """
    if found is not None and given is not None and found != given:
        raise FormatError(
            f"{source}: it has {found} {name}, the option says {given}: leave it out"
        )
    return given if found is None else found


def check_ids(ids: Sequence[int], hidden_layers: int | None, path: object) -> None:
    """Raise `FormatError` unless layer ids are different, and those of a model with so many layers."""
    if hidden_layers is not None and hidden_layers > MOST_LAYERS:
        raise FormatError(
            f"{path}: {hidden_layers} hidden layers: no model has more than {MOST_LAYERS}"
        )
    if not ids:
        return
    _check_indices(ids, path)
    last = max(ids)
    if hidden_layers is not None and last >= hidden_layers:
        raise FormatError(
            f"{path}: layer {last} is beyond {hidden_layers} hidden layers: correct --hidden-layers, or choose "
            "with --layers"
        )


def _check_indices(ids: Sequence[int], path: object) -> None:
    """Raise `FormatError` unless ids are different, and may be those of a model."""
    is_twice = len(set(ids)) < len(ids)
    if is_twice or min(ids) < 0:
        raise FormatError(
            f"{path}: layer ids {listed(ids)}, expected different integers >= 0"
        )
    last = max(ids)
    if last >= MOST_LAYERS:
        shown = str(last)[:MOST_SHOWN]
        raise FormatError(
            f"{path}: layer {shown}: no model has more than {MOST_LAYERS}"
        )


def listed(ids: Sequence[int], most: int = 8) -> str:
    """Ids, the first of them if they are many."""
    names = [str(i)[:MOST_SHOWN] for i in ids[:most]]
    shown = ", ".join(names)
    more = len(ids) - most
    return f"{shown} and {more} more" if more > 0 else shown


def number_layers(
    ids: Sequence[int] | None, rows: int, hidden_layers: int | None, source: str
) -> tuple[int, ...]:
    """Absolute layer ids of rows: those given, else 0, 1, ... unless the model has more layers.

    Parameters
    ----------
    ids : sequence of int or None
        Those that the file says.
    rows : int
        How many rows there are.
    hidden_layers : int or None
        Layers of the model with the dense ones.
    source : str
        The file's name, for the message.

    Returns
    -------
    tuple of int

    Raises
    ------
    FormatError
        Nobody says which of the model's layers the rows are.

    Examples
    --------
    >>> from eplb_opt.formats import number_layers
    >>> number_layers(None, 3, None, "map.npz")
    (0, 1, 2)
    """
    if ids is not None:
        return tuple(ids)
    if hidden_layers is not None and hidden_layers > rows:
        raise FormatError(
            f"{source}: its {rows} layers are not numbered, the model has {hidden_layers}: say with --layers which "
            "they are, such as 3:61"
        )
    return tuple(range(rows))


def rows_of(
    wanted: Sequence[int], present: Sequence[int] | None, rows: int, source: str
) -> list[int]:
    """Row of each layer wanted.

    Raises
    ------
    FormatError
        A layer is missing, or a file without layer ids has another number of rows.
    """
    if present is None:
        if len(wanted) != rows:
            raise FormatError(
                f"{source}: {rows} layers without ids, but {len(wanted)} layers are asked for"
            )
        return list(range(rows))
    row_of = {layer: row for row, layer in enumerate(present)}
    for layer in wanted:
        if layer not in row_of:
            raise FormatError(
                f"{source}: no layer {layer} among its layers {min(present)}..{max(present)}"
            )
    return [row_of[layer] for layer in wanted]
