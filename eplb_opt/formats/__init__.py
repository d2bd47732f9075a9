"""Files: loads in, maps in and out. One module an engine; what a file is, its content says."""

from .atomic import atomic_write, check_writable
from .files import ExpertMap, Loads
from .layers import MOST_LAYERS, agreed, number_layers
from .plain import read_report
from .registry import (
    INPUT_FORMATS,
    OUTPUT_FORMATS,
    check_map_format,
    encode_loads,
    holds_map,
    output_format,
    read_expert_map,
    read_loads,
    read_map,
    write_expert_map,
    write_json,
    write_loads,
    write_map,
)

__all__ = [
    "INPUT_FORMATS",
    "MOST_LAYERS",
    "OUTPUT_FORMATS",
    "ExpertMap",
    "Loads",
    "agreed",
    "atomic_write",
    "check_map_format",
    "check_writable",
    "encode_loads",
    "holds_map",
    "number_layers",
    "output_format",
    "read_expert_map",
    "read_loads",
    "read_map",
    "read_report",
    "write_expert_map",
    "write_json",
    "write_loads",
    "write_map",
]
