"""Files: loads in, maps in and out. One module an engine; what a file is, its content says."""

from ..atomic import atomic_write, check_writable
from .detection import holds_map, read_expert_map, read_loads, read_map
from .format import Format, Need, Side
from .held import Loads
from .held_map import ExpertMap
from .layers import MOST_LAYERS, agreed, number_layers
from .registry import (
    format_named,
    formats_that_need,
    input_formats,
    output_format,
    output_formats,
)
from .reports import read_report, write_report
from .routing import Routing
from .writing import (
    check_map_format,
    encode_loads,
    write_expert_map,
    write_json,
    write_loads,
    write_map,
)

__all__ = [
    "MOST_LAYERS",
    "ExpertMap",
    "Format",
    "Loads",
    "Need",
    "Routing",
    "Side",
    "agreed",
    "atomic_write",
    "check_map_format",
    "check_writable",
    "encode_loads",
    "format_named",
    "formats_that_need",
    "holds_map",
    "input_formats",
    "number_layers",
    "output_format",
    "output_formats",
    "read_expert_map",
    "read_loads",
    "read_map",
    "read_report",
    "write_expert_map",
    "write_json",
    "write_loads",
    "write_map",
    "write_report",
]
