"""The version of this package; it loads nothing, as the package's first file loads it."""

from __future__ import annotations

PACKAGE = "eplb_opt"
__version__ = "0.1.0"
