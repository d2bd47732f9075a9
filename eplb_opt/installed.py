"""What the installation of this package says of itself."""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata

from .version import PACKAGE


@cache
def installed_commit() -> str | None:
    """The commit that the package was installed from; None where the installation does not say (PEP 610)."""
    try:
        origin = metadata.distribution(PACKAGE).read_text("direct_url.json")
        commit = json.loads(origin or "{}").get("vcs_info", {}).get("commit_id")
    # A broken installation says nothing.
    except (metadata.PackageNotFoundError, ValueError, AttributeError, OSError):
        return None
    return commit if isinstance(commit, str) else None
