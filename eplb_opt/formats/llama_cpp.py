"""llama.cpp: what tracers of its routers write, CSV with one of three headers.

``layer,expert``: a row an expert of a token (``moe-trace``, pull request 28544 of 2026-09).
``call,phase,row,layer,expert``: the same with the call and the token in it.
``layer_id,expert_ids``: a row a token, ids with blanks between them.
Layers are absolute. Rows come as they are computed: of a batch layer by layer.
"""

from __future__ import annotations

from typing import Any

from ..errors import FormatError
from .format import Format, Side
from .routing import Routing
from .traces import HEADERS, Trace


def has_routing(content: Any) -> bool:
    """A trace."""
    return isinstance(content, Trace)


def decode_routing(content: Any, source: str) -> Routing:
    """Its tokens, in order."""
    if not isinstance(content, Trace):
        raise FormatError(
            f"{source}: no trace of llama.cpp, which begins with {' or '.join(HEADERS)}"
        )
    return content.routing()


FORMAT = Format(
    name="llama-cpp",
    summary="llama.cpp: traces of its routers (.csv), a row a token or an expert of a token",
    routing=Side(recognises=has_routing, reads=decode_routing),
)
