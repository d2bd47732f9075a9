"""Files: loads in, maps in and out. One module a format; what a file is, its content says."""

from .files import Loads, atomic_write, check_writable
from .plain import read_loads, read_map, read_report, write_json, write_map

__all__ = [
    "Loads",
    "atomic_write",
    "check_writable",
    "read_loads",
    "read_map",
    "read_report",
    "write_json",
    "write_map",
]
