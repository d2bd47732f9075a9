"""`assignment.assign`, compiled."""

from __future__ import annotations

from ..compiled import compiled
from .assignment import assign

assign_compiled = compiled(assign)
