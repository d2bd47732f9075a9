"""What a format is: a record of what it reads and writes, what it needs, what it cannot hold, how it is recognised."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..errors import EplbError, FormatError, is_fault_of_ours
from ..packages import require
from .arrays import first_line
from .held import Loads
from .held_map import ExpertMap
from .routing import Routing

Held = TypeVar("Held", Loads, ExpertMap, Routing)
# What code that expects a well-made file raises of another.
SURPRISES = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
)


class Need(enum.Enum):
    """What a format has to be told beyond loads or a map, by the option of the command that tells it."""

    HIDDEN_LAYERS = (
        "--hidden-layers"  # it has a row for every layer of the model, dense ones too
    )
    RANKS = "--ranks"  # it lists devices
    DISTINCT = "--distinct"  # it cannot say two replicas of one expert on a device


@dataclass(frozen=True)
class Side(Generic[Held]):
    """How a format holds one thing: loads, maps, or the experts of tokens.

    Attributes
    ----------
    recognises : callable (content) -> bool, optional
        Whether what `read_content` made of a file is in this format.
    reads : callable (content, source) -> `Loads`, `ExpertMap` or `Routing`, optional
        Reads such content, or raises `FormatError`; ``source`` is the file's name, for messages. None: not read.
    writes : callable (`Loads` or `ExpertMap`, path) -> bytes, optional
        The bytes of the file at ``path``. None: not written.
    refuses : callable (`Loads` or `ExpertMap`, path) -> str or None, optional
        Why the format, or the engine, does not take this; None: it does. Asked before `writes`.
    """

    recognises: Callable[[Any], bool] | None = None
    reads: Callable[[Any, str], Held] | None = None
    writes: Callable[[Held, Path], bytes] | None = None
    refuses: Callable[[Held, Path], str | None] | None = None

    def holds(self, content: Any) -> bool:
        """Whether content is in this format, and is read."""
        return (
            self.reads is not None
            and self.recognises is not None
            and self.recognises(content)
        )

    def read(self, content: Any, source: str) -> Held:
        """What `reads` makes of the content; what surprises it is an error of the file."""
        if self.reads is None:
            raise FormatError(f"{source}: its format is not read")
        try:
            return self.reads(content, source)
        except EplbError:
            raise
        except SURPRISES as error:
            if is_fault_of_ours(error):
                raise
            raise FormatError(
                f"{source} is malformed ({type(error).__name__}: {first_line(error)})"
            ) from None


@dataclass(frozen=True)
class Format:
    """A format of files. Its module ends with one; the registry lists them.

    Attributes
    ----------
    name : str
        After ``--format`` and ``--input-format``.
    summary : str
        What it is, in one line.
    loads, maps : Side
        How it holds the one and the other; a side that says nothing: not at all.
    routing : Side
        How it holds the experts of tokens, of which loads are counted in windows; it is read only.
    needs : frozenset of Need
        What has to be known to write it.
    takes : mapping from Need to str
        What an option does for it beside what it is needed for, in words that follow the option's help.
    packages : tuple of str
        Modules beyond numpy that writing imports.
    endings : tuple of str
        Endings of file names that choose it where no format is named; without a dot, in lower case.
    tells : callable (content, source) -> bool or None, optional
        Of content that may be loads or a map: whether it is a map. None: it is neither, or in no doubt. Raises
        `FormatError` if it is both.
    takes_rest : bool
        It reads what no other format claims, and is asked last.
    holds_one_window : bool
        The windows of loads are summed.
    numbers_moe_layers : bool
        Its layers are 0, 1, ... among the MoE layers: a map whose layers have no ids loses nothing.
    remark : str
        What to say of a file of loads that was written in place of a map.

    Examples
    --------
    >>> import numpy as np
    >>> from eplb_opt.formats import Format, Loads, Side
    >>> total = Side[Loads](writes=lambda loads, path: str(loads.load.sum()).encode())
    >>> tokens = Format("tokens", "the number of tokens", loads=total)
    >>> tokens.encode_loads(Loads(np.array([[[5, 1]]]), None, ("0",)), Path("tokens.txt"))
    b'6'
    """

    name: str
    summary: str
    loads: Side[Loads] = field(default_factory=lambda: Side[Loads]())
    maps: Side[ExpertMap] = field(default_factory=lambda: Side[ExpertMap]())
    routing: Side[Routing] = field(default_factory=lambda: Side[Routing]())
    needs: frozenset[Need] = frozenset()
    takes: Mapping[Need, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    tells: Callable[[Any, str], bool | None] | None = None
    takes_rest: bool = False
    holds_one_window: bool = False
    numbers_moe_layers: bool = False
    remark: str = ""

    @property
    def is_read(self) -> bool:
        """Whether it reads loads, maps or the experts of tokens."""
        sides = (self.loads, self.maps, self.routing)
        return any(side.reads is not None for side in sides)

    def holds_loads(self, content: Any) -> bool:
        """Whether content is in this format, and loads are read or counted of it."""
        return self.loads.holds(content) or self.routing.holds(content)

    @property
    def is_written(self) -> bool:
        """Whether it writes loads or maps."""
        return self.writes_loads or self.writes_maps

    @property
    def writes_loads(self) -> bool:
        """Whether it writes loads."""
        return self.loads.writes is not None

    @property
    def writes_maps(self) -> bool:
        """Whether it writes maps."""
        return self.maps.writes is not None

    @property
    def is_ours(self) -> bool:
        """Whether it is a plain file, which a name's ending chooses, and no engine's."""
        return bool(self.endings)

    def encode_loads(self, loads: Loads, path: Path) -> bytes:
        """The bytes of a file of loads, or `FormatError`."""
        return self._encode(self.loads, loads, loads.load.shape[-1], path)

    def encode_map(self, expert_map: ExpertMap, path: Path) -> bytes:
        """The bytes of a file of a map, or `FormatError`."""
        return self._encode(self.maps, expert_map, expert_map.phy2log.shape[-1], path)

    def _encode(self, side: Side[Held], held: Held, width: int, path: Path) -> bytes:
        if side.writes is None:
            raise FormatError(f"{path}: {self.name} is not written")
        refusal = self._uneven_ranks(held)
        if refusal is None and side.refuses is not None:
            refusal = side.refuses(held, path)
        refusal = refusal or self._what_it_lacks(held, width)
        if refusal is not None:
            raise FormatError(f"{path}: {refusal}")
        require(f"writing {path}", *self.packages)
        return side.writes(held, path)

    def _uneven_ranks(self, held: object) -> str | None:
        """Why a map is refused whose ranks have not as many slots each: engines cut maps into equal parts."""
        if self.is_ours or getattr(held, "rank_slots", None) is None:
            return None
        return f"{self.name} takes as many slots for every rank, the map has other rank_slots: write npz or json"

    def _what_it_lacks(self, held: object, width: int) -> str | None:
        """What is needed and not known, in a line that names the option that tells it."""
        hidden_layers = getattr(held, "hidden_layers", None)
        if Need.HIDDEN_LAYERS in self.needs and hidden_layers is None:
            return (
                "this format has a row for every hidden layer of the model, dense ones too, and the input does not "
                f"say how many: use {Need.HIDDEN_LAYERS.value}"
            )
        if (
            Need.RANKS in self.needs
            and isinstance(held, ExpertMap)
            and held.num_ranks is None
        ):
            return f"this format lists devices: use {Need.RANKS.value} with a divisor of {width} slots"
        return None
