"""Which format reads a content: the one that is named, or the first that recognises it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from .. import own_files
from ..errors import FormatError, did_you_mean
from . import registry
from .format import Format, Held, Side
from .held import Loads
from .kinds import check_kind
from .routing import OPTION


@dataclass(frozen=True)
class Kind(Generic[Held]):
    """Loads, maps, or the experts of tokens.

    Attributes
    ----------
    what : str
        Its name in messages.
    side_of : callable
        The side of a format that holds it.
    unclaimed : str
        What to say where no format recognises the content.
    file : own_files.Kind, optional
        What a file with it is, for one that is of another kind.
    """

    what: str
    side_of: Callable[[Format], Side[Held]]
    unclaimed: str
    file: own_files.Kind | None = None

    def readers(self) -> dict[str, Side[Held]]:
        """The formats that are read, by name."""
        sides = {record.name: self.side_of(record) for record in registry.FORMATS}
        return {name: side for name, side in sides.items() if side.reads is not None}


LOADS = Kind(
    "loads",
    lambda record: record.loads,
    "a folder that holds no recording of an engine",
    own_files.LOADS,
)
MAPS = Kind(
    "maps",
    lambda record: record.maps,
    "a folder, give the map's file",
    own_files.MAP,
)
ROUTING = Kind(
    "experts of tokens",
    lambda record: record.routing,
    f"it holds no experts of tokens, which {OPTION} counts",
)


def read_held(kind: Kind[Held], content: Any, source: str, name: str | None) -> Held:
    """What the format that is named, or that recognises the content, makes of it."""
    readers = kind.readers()
    if name is not None:
        if name not in readers:
            is_known = name in registry.input_formats()
            near = ":" if is_known else did_you_mean(name, readers) or ":"
            raise FormatError(
                f"input format {name!r} holds no {kind.what}{near} use {' or '.join(readers)}"
            )
        return readers[name].read(content, source)
    for reader, side in readers.items():
        if side.holds(content):
            if kind.file is not None and registry.format_named(reader).takes_rest:
                check_kind(content, source, kind.file)
            return side.read(content, source)
    raise FormatError(f"cannot read {source}: {kind.unclaimed}")


def read_or_count(
    content: Any,
    source: str,
    name: str | None,
    tokens_per_window: int | None,
    experts: int | None,
) -> Loads:
    """The loads of a content; where it holds the experts of tokens, their counts (see `Routing.loads`)."""
    if tokens_per_window is not None or _is_routing(content, name):
        routing = read_held(ROUTING, content, source, name)
        return routing.loads(source, tokens_per_window, experts)
    loads = read_held(LOADS, content, source, name)
    return loads.with_experts(experts, source)


def _is_routing(content: Any, name: str | None) -> bool:
    """Whether a format reads the experts of tokens and no loads of this content."""
    for record in registry.FORMATS:
        if name is not None and record.name != name:
            continue
        if record.loads.holds(content):
            return False
        is_only_way = name is not None and record.loads.reads is None
        reads_routing = record.routing.reads is not None
        if record.routing.holds(content) or (is_only_way and reads_routing):
            return True
    return False
