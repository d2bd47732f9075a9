"""What a content is, for who gives a map where loads should be, or what a command found in place of either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FormatError
from ..own_files import LOADS, MAP, REPORT, Kind, kind_of_schema
from . import registry
from .plain import LOAD_KEYS, names_a_map
from .text import Records

# What a report has that was written before reports had a schema.
OF_REPORTS = {"totals", "layers", "num_replicas"}


def kind_of_content(content: Any) -> Kind | None:
    """What a content is; None: nothing tells, as of a bare array.

    Parameters
    ----------
    content : object
        What `read_content` made of a file.
    """
    head = content[0] if isinstance(content, Records) and content else content
    if isinstance(head, Mapping):
        kind = _kind_of_keys(head)
        if kind is not None:
            return kind
    claiming = [record for record in registry.FORMATS if not record.takes_rest]
    if any(record.holds_loads(content) for record in claiming):
        return LOADS
    if any(record.maps.holds(content) for record in claiming):
        return MAP
    return None


def check_kind(content: Any, source: str, wanted: Kind) -> None:
    """Raise `FormatError` for a content of another kind than the one that is wanted."""
    kind = kind_of_content(content)
    if kind not in (wanted, None):
        raise FormatError(kind.instead_of(source, wanted.what))


def _kind_of_keys(content: Mapping[str, Any]) -> Kind | None:
    """What the keys of a content tell."""
    kind = kind_of_schema(content.get("schema"))
    if kind is not None:
        return kind
    if content.keys() >= OF_REPORTS:
        return REPORT
    is_map = names_a_map(content)
    is_loads = any(key in content for key in LOAD_KEYS)
    if is_map == is_loads:
        return None
    return MAP if is_map else LOADS
