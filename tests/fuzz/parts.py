"""All parts of the campaign."""

from __future__ import annotations

from . import files, forgeries, instances
from .part import Part

PARTS: dict[str, Part] = {part.name: part for part in (instances.PART, files.PART, forgeries.PART)}
