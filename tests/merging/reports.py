"""Reports of which times are left out."""

from __future__ import annotations

import json

TIMES = ("seconds", "compile_seconds", "reached")


def without_times(report):
    """A report as JSON, without its times."""

    def stripped(value):
        if isinstance(value, dict):
            return {name: stripped(one) for name, one in value.items() if name not in TIMES}
        return [stripped(one) for one in value] if isinstance(value, (list, tuple)) else value

    return json.loads(json.dumps(stripped(report)))
