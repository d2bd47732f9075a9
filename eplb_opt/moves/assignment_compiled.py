"""`assign.assign`, compiled."""

from __future__ import annotations

from ..compiled import compiled
from .assign import assign

assign_compiled = compiled(assign)
