"""All parts of the campaign."""

from __future__ import annotations

from . import files, forgeries, instances, oracles, plugins, processes
from .part import Part

ALL = (instances.PART, files.PART, forgeries.PART, plugins.PART, *oracles.PARTS, *processes.PARTS)
PARTS: dict[str, Part] = {part.name: part for part in ALL}
