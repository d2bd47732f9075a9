"""The version of this package."""

from __future__ import annotations

import json
from functools import cache

PACKAGE = "eplb_opt"
__version__ = "0.1.0"


@cache
def installed_commit() -> str | None:
    """The commit that the package was installed from; None where the installation does not say (PEP 610)."""
    from importlib import metadata

    try:
        origin = metadata.distribution(PACKAGE).read_text("direct_url.json")
        commit = json.loads(origin or "{}").get("vcs_info", {}).get("commit_id")
    # A broken installation says nothing.
    except (metadata.PackageNotFoundError, ValueError, AttributeError, OSError):
        return None
    return commit if isinstance(commit, str) else None
