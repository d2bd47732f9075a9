"""Reading loads and maps by the format that is named, or by the one that recognises the content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..problem.placement import Placement
from . import plain, registry
from .checks import warn_of_idle
from .choice import MAPS, read_held, read_or_count
from .content import read_content
from .held import Loads
from .held_map import ExpertMap
from .layers import check_ids


def read_loads(
    path: str | Path,
    input_format: str | None = None,
    layers: Sequence[int] | None = None,
    tokens_per_window: int | None = None,
    experts: int | None = None,
) -> Loads:
    r"""Read recorded loads; the format is detected from the content.

    Parameters
    ----------
    path : str or Path
        A file, or a folder with one file a rank.
    input_format : str, optional
        One of `input_formats` that holds loads, instead of detection.
    layers : sequence of int, optional
        Absolute ids: of the layers wanted, or of all layers where the file does not say. Of those that were not
        recorded the loads are 0.
    tokens_per_window : int, optional
        Of a file that holds the experts of each token: tokens that make a window; default: all of them.
    experts : int, optional
        Experts of the model, where the file does not show the last ones.

    Returns
    -------
    Loads
        ``load`` [windows, layers, experts] in routed tokens, ``layer_ids``, ``windows``.

    Raises
    ------
    FormatError
        The file is missing, truncated, too large, holds no loads, or none of the layers that are wanted; it has more
        experts, or no tokens that make windows.

    Warns
    -----
    FormatWarning
        The loads may not be what they are taken for: layers without a token, experts without one anywhere. Layers
        that are wanted were not recorded.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from eplb_opt.formats import read_loads
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "loads.csv")
    ...     _ = path.write_text("layer,expert_0,expert_1\n3,10,20\n4,30,40\n")
    ...     loads = read_loads(path)
    >>> loads.load.tolist(), loads.layer_ids
    ([[[10, 20], [30, 40]]], (3, 4))
    """
    source = str(path)
    content = read_content(Path(path))
    loads = read_or_count(content, source, input_format, tokens_per_window, experts)
    check_ids(loads.layer_ids or (), None, path)
    chosen = loads.with_layers(layers, source)
    check_ids(chosen.layer_ids or (), None, path)
    is_asked = layers is not None and loads.layer_ids is not None
    warn_of_idle(chosen, source, asked=is_asked)
    return chosen


def read_expert_map(
    path: str | Path,
    input_format: str | None = None,
    num_experts: int | None = None,
    num_ranks: int | None = None,
) -> ExpertMap:
    """Read a map as its file holds it; the format is detected from the content (see `read_map`).

    Parameters
    ----------
    path : str or Path
        The file.
    input_format : str, optional
        One of `input_formats` that holds maps, instead of detection.
    num_experts, num_ranks : int, optional
        Of a file that says only what ranks hold beside their own experts, which are these.

    Returns
    -------
    ExpertMap
        ``phy2log`` [layers, slots], with None for what the file does not say.

    Raises
    ------
    FormatError
        The file is missing, truncated, holds no map, or not the whole one without experts and ranks.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from eplb_opt.formats import read_expert_map
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "map.json")
    ...     _ = path.write_text(json.dumps({"physical_to_logical_map": [[0, 1, 0]], "layer_ids": [3]}))
    ...     expert_map = read_expert_map(path)
    >>> expert_map.phy2log.tolist(), expert_map.layer_ids, expert_map.num_experts
    ([[0, 1, 0]], (3,), None)
    """
    source = str(path)
    expert_map = read_held(MAPS, read_content(Path(path)), source, input_format)
    check_ids(expert_map.layer_ids or (), None, source)
    return expert_map.placed(num_experts, num_ranks, source)


def read_map(
    path: str | Path,
    num_experts: int,
    layer_ids: Sequence[int] | None = None,
    input_format: str | None = None,
    num_ranks: int | None = None,
) -> Placement:
    """Read a map.

    Parameters
    ----------
    path : str or Path
        The file.
    num_experts : int
        Logical experts: most formats do not say.
    layer_ids : sequence of int, optional
        The layers wanted, in order. A file without layer ids is taken to hold just these.
    input_format : str, optional
        One of `input_formats` that holds maps, instead of detection.
    num_ranks : int, optional
        Ranks that the map must be for, where its file says for how many it is.

    Returns
    -------
    Placement
        The layers wanted; all of the file's where none are named. With ``num_ranks``, if the file says for how many
        ranks it is.

    Raises
    ------
    FormatError
        The file is missing, truncated, holds no map, is for other sizes, or lacks a layer that is wanted.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from eplb_opt.formats import read_map
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "map.json")
    ...     _ = path.write_text(json.dumps({"physical_to_logical_map": [[0, 1, 0], [1, 0, 1]], "num_experts": 2}))
    ...     placement = read_map(path, num_experts=2, layer_ids=[3, 4])
    >>> placement.phy2log.tolist(), placement.layer_ids
    ([[0, 1, 0], [1, 0, 1]], (3, 4))
    """
    found = read_expert_map(path, input_format, num_experts, num_ranks)
    if found.num_experts not in (None, num_experts):
        raise FormatError(
            f"{path}: a map of {found.num_experts} experts, not {num_experts}: it is of another model"
        )
    expert_map = found.with_layers(layer_ids, str(path))
    if num_ranks is not None and expert_map.num_ranks not in (None, num_ranks):
        raise FormatError(
            f"{path}: a map for {expert_map.num_ranks} ranks, not {num_ranks}: its slots lie on other ranks"
        )
    return Placement(
        expert_map.phy2log,
        num_experts,
        expert_map.layer_ids,
        expert_map.num_ranks,
        expert_map.rank_slots,
    )


def holds_map(path: str | Path, name: str) -> bool:
    r"""Whether a file is to be converted as a map; if not, as loads.

    A bare array may be either: it is taken for what the format to write can hold; of both, for what it looks like.

    Parameters
    ----------
    path : str or Path
        The file to convert.
    name : str
        The format to write, one of `output_formats`.

    Returns
    -------
    bool

    Raises
    ------
    FormatError
        It holds both, or records that are neither, or looks like a map that the format, or a table, does not hold.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from eplb_opt.formats import holds_map
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "loads.csv")
    ...     _ = path.write_text("layer,expert_0,expert_1\n3,10,20\n")
    ...     holds_map(path, "npz")
    False
    """
    output = registry.format_named(name)
    content = read_content(Path(path))
    answer = _told(content, str(path))
    if answer is not None:
        return answer
    claiming = [record for record in registry.FORMATS if not record.takes_rest]
    if isinstance(content, Path) or any(
        record.holds_loads(content) for record in claiming
    ):
        return False
    if any(record.maps.holds(content) for record in claiming):
        return True
    if isinstance(content, Mapping):
        return plain.names_a_map(content)
    return plain.is_bare_map(
        content, str(path), output.writes_loads, output.writes_maps
    )


def _told(content: Any, source: str) -> bool | None:
    """Whether it is a map, by the first format that can tell; None: none can."""
    for record in registry.FORMATS:
        answer = None if record.tells is None else record.tells(content, source)
        if answer is not None:
            return answer
    return None
