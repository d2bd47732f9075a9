"""Writing: loads, maps and reports, each file whole or not at all, and what can be asked of a format before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..atomic import atomic_write
from ..errors import FormatError
from ..problem.instance import Instance
from ..problem.placement import Placement
from . import plain, registry
from .checks import check_loads, check_map
from .format import Format, Need
from .held import Loads
from .held_map import ExpertMap
from .layers import number_layers


def write_map(
    path: str | Path,
    placement: Placement,
    name: str | None = None,
    num_ranks: int | None = None,
    hidden_layers: int | None = None,
) -> None:
    """Write a placement, atomically.

    Parameters
    ----------
    path : str or Path
        The file.
    placement : Placement
        The map.
    name : str, optional
        One of `output_formats` that holds maps; default: the file's ending.
    num_ranks, hidden_layers : int, optional
        Ranks, and layers of the model with the dense ones: some formats need them.

    Raises
    ------
    FormatError
        Unknown format, a map that the format cannot say or the engine cannot load, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from eplb_opt import Placement
    >>> from eplb_opt.formats import read_map, write_map
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "map.npz")
    ...     write_map(path, Placement([[0, 1, 0, 1]], num_experts=2, layer_ids=(3,)), num_ranks=2)
    ...     read_map(path, num_experts=2, num_ranks=2).layer_ids
    (3,)
    """
    expert_map = ExpertMap(
        placement.phy2log,
        placement.layer_ids,
        placement.num_experts,
        num_ranks or placement.num_ranks,
        hidden_layers,
        rank_slots=placement.rank_slots,
    )
    write_expert_map(path, expert_map, registry.output_format(path, name))


def write_expert_map(path: str | Path, expert_map: ExpertMap, name: str) -> None:
    """Write a map as read from a file (see `write_map`); without layer ids its rows are layers 0, 1, ...

    Parameters
    ----------
    path : str or Path
        The file.
    expert_map : ExpertMap
        The map.
    name : str
        One of `output_formats` that holds maps.

    Raises
    ------
    FormatError
        As of `write_map`; or the map has a row for every hidden layer, and nobody says which are dense.

    Examples
    --------
    >>> import json, tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from eplb_opt.formats import ExpertMap, write_expert_map
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "map.json")
    ...     write_expert_map(path, ExpertMap(np.array([[1, 0, 1]]), layer_ids=(1,), hidden_layers=2), "sglang")
    ...     json.loads(path.read_text())
    {'physical_to_logical_map': [[0, 1, 0], [1, 0, 1]]}
    """
    output = _map_format(path, name)
    if expert_map.dense_layers_unknown and Need.HIDDEN_LAYERS not in output.needs:
        raise FormatError(
            f"{path}: the input has a row for every hidden layer and does not say which are dense: name the MoE layers "
            f"with --layers, e.g. 3:{len(expert_map.phy2log)}"
        )
    if expert_map.default is not None:
        raise FormatError(
            f"{path}: the input has one map for all (other) layers: name the layers with --layers, e.g. 3:61"
        )
    ids = number_layers(
        expert_map.layer_ids,
        len(expert_map.phy2log),
        expert_map.hidden_layers,
        str(path),
    )
    numbered = replace(expert_map, layer_ids=ids)
    check_map(numbered, path)
    data = output.encode_map(numbered, Path(path))
    atomic_write(Path(path), lambda file: file.write(data))


def check_map_format(
    path: str | Path, name: str, instance: Instance, hidden_layers: int | None
) -> None:
    """Raise what `write_map` would raise for a map of this instance: to be asked before long work.

    Parameters
    ----------
    path : str or Path
        The file to write later.
    name : str
        One of `output_formats` that holds maps.
    instance : Instance
        What is to be solved.
    hidden_layers : int or None
        Layers of the model with the dense ones.

    Raises
    ------
    FormatError
        The format cannot say maps of the instance, or the engine cannot load them.

    Examples
    --------
    >>> from eplb_opt import Instance
    >>> from eplb_opt.formats import check_map_format
    >>> instance = Instance([[3, 1]], 4, num_ranks=2)
    >>> check_map_format("map.npz", "npz", instance, None)
    >>> check_map_format("map.json", "sglang", instance, None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    eplb_opt.errors.FormatError: map.json: this format has a row for every hidden layer of the model, ...
    """
    output = _map_format(path, name)
    has_spare_slots = instance.num_replicas > instance.num_experts
    if Need.DISTINCT in output.needs and has_spare_slots and not instance.distinct:
        raise FormatError(
            f"{path}: {name} cannot load two replicas of one expert on a device: add {Need.DISTINCT.value}"
        )
    # Any valid map of the same shape shows what the format refuses.
    row = np.arange(instance.num_replicas) % instance.num_experts
    rows = np.tile(row, (instance.num_layers, 1))
    ids = tuple(instance.layer_ids or ())
    probe = ExpertMap(
        rows,
        ids,
        instance.num_experts,
        instance.num_ranks,
        hidden_layers,
        rank_slots=instance.rank_slots,
    )
    check_map(probe, path)
    output.encode_map(probe, Path(path))


def write_loads(path: str | Path, loads: Loads, name: str | None = None) -> None:
    """Write loads, atomically.

    Parameters
    ----------
    path : str or Path
        The file.
    loads : Loads
        ``load`` [windows, layers, experts] in routed tokens, with layer ids and labels.
    name : str, optional
        One of `output_formats` that holds loads; default: the file's ending.

    Raises
    ------
    FormatError
        The format holds no loads or cannot say these, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from eplb_opt.formats import Loads, read_loads, write_loads
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "loads.npz")
    ...     write_loads(path, Loads(np.array([[[10, 20]]]), layer_ids=(3,), windows=("monday",)))
    ...     read_loads(path).windows
    ('monday',)
    """
    data = encode_loads(path, loads, name)
    atomic_write(Path(path), lambda file: file.write(data))


def encode_loads(path: str | Path, loads: Loads, name: str | None = None) -> bytes:
    r"""What `write_loads` writes, without writing it.

    Parameters
    ----------
    path : str or Path
        The file to write later.
    loads : Loads
        The loads.
    name : str, optional
        As of `write_loads`.

    Returns
    -------
    bytes
        The file's content.

    Raises
    ------
    FormatError
        What `write_loads` raises of the loads.

    Examples
    --------
    >>> import numpy as np
    >>> from eplb_opt.formats import Loads, encode_loads
    >>> loads = Loads(np.array([[[10, 20]]]), layer_ids=(1,), windows=("0",), hidden_layers=2)
    >>> encode_loads("plan.json", loads, "lmdeploy")
    b'[[0, 0], [10, 20]]\n'
    """
    output = registry.format_named(registry.output_format(path, name))
    if not output.writes_loads:
        others = " or ".join(
            record.name for record in registry.FORMATS if record.writes_loads
        )
        raise FormatError(
            f"{path}: {output.name} holds maps, no loads: solve first, or use {others}"
        )
    check_loads(loads, path)
    return output.encode_loads(loads, Path(path))


def write_json(path: str | Path, content: object) -> None:
    r"""Write JSON, atomically.

    Parameters
    ----------
    path : str or Path
        The file.
    content : object
        What `json` can say; numbers are finite.

    Raises
    ------
    FormatError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from eplb_opt.formats import write_json
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "report.json")
    ...     write_json(path, {"layers": 58})
    ...     path.read_text()
    '{\n "layers": 58\n}\n'
    """
    data = plain.json_bytes(content)
    atomic_write(Path(path), lambda file: file.write(data))


def _map_format(path: str | Path, name: str) -> Format:
    """The format of this name, if it writes maps."""
    output = registry.format_named(name)
    if not output.writes_maps:
        raise FormatError(
            f"{path}: {name} holds no maps: it plans from loads, convert the loads"
        )
    return output
