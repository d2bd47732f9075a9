"""Layer ids: absolute indices in the model, which rows of files have or not."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import FormatError

MOST_LAYERS = 10_000  # of a model


def agreed(name: str, found: int | None, given: int | None, source: str) -> int | None:
    """A size that the input says, or an option, or both.

    Raises
    ------
    FormatError
        They differ.
    """
    if found is not None and given is not None and found != given:
        raise FormatError(f"{source}: it has {found} {name}, the option says {given}: leave it out")
    return given if found is None else found


def check_ids(ids: Sequence[int], hidden_layers: int | None, path: object) -> None:
    """Raise `FormatError` unless layer ids are different, and those of a model with so many layers."""
    if (hidden_layers or 0) > MOST_LAYERS:
        raise FormatError(f"{path}: {hidden_layers} hidden layers: no model has more than {MOST_LAYERS}")
    if not ids:
        return
    if len(set(ids)) != len(ids) or min(ids) < 0:
        raise FormatError(f"{path}: layer ids {listed(ids)}, expected different integers >= 0")
    if max(ids) >= MOST_LAYERS:
        raise FormatError(f"{path}: layer {str(max(ids))[:30]}: no model has more than {MOST_LAYERS}")
    if hidden_layers is not None and max(ids) >= hidden_layers:
        raise FormatError(
            f"{path}: layer {max(ids)} is beyond {hidden_layers} hidden layers: correct --hidden-layers, or choose "
            "with --layers"
        )


def listed(ids: Sequence[int], most: int = 8) -> str:
    """Ids, the first of them if they are many."""
    shown = ", ".join(str(i)[:30] for i in ids[:most])
    return shown if len(ids) <= most else f"{shown} and {len(ids) - most} more"


def number_layers(ids: Sequence[int] | None, rows: int, hidden_layers: int | None, source: str) -> tuple[int, ...]:
    """Absolute layer ids of rows: those given, else 0, 1, ... unless the model has more layers.

    Raises
    ------
    FormatError
        Nobody says which of the model's layers the rows are.
    """
    if ids is None and (hidden_layers or 0) > rows:
        raise FormatError(
            f"{source}: its {rows} layers are not numbered, the model has {hidden_layers}: say with --layers which "
            "they are, such as 3:61"
        )
    return tuple(range(rows)) if ids is None else tuple(ids)


def rows_of(wanted: Sequence[int], present: Sequence[int] | None, rows: int, source: str) -> list[int]:
    """Row of each layer wanted.

    Raises
    ------
    FormatError
        A layer is missing, or a file without layer ids has another number of rows.
    """
    if present is None:
        if len(wanted) != rows:
            raise FormatError(f"{source}: {rows} layers without ids, but {len(wanted)} layers are asked for")
        return list(range(rows))
    row = {layer: i for i, layer in enumerate(present)}
    missing = [i for i in wanted if i not in row]
    if missing:
        raise FormatError(f"{source}: no layer {missing[0]} among its layers {min(present)}..{max(present)}")
    return [row[i] for i in wanted]
