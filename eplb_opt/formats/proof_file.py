"""Long proofs: in a compressed file beside the report, which names it and says its SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..checker.files import with_proofs
from ..errors import FormatError

MOST_INLINE = 4_096  # characters of a proof that stays in the report
NAMED = (
    "groups",
    "kind",
    "target",
)  # what a report says of a proof that lies in the file
ENDING = ".proofs.json.gz"


class Apart(NamedTuple):
    """A report without its long proofs, and the file of these."""

    report: dict[str, Any]
    name: str
    content: bytes


def apart(report: Mapping[str, Any], path: Path) -> Apart | None:
    """Take the long proofs out of a report that becomes a file; None: it has none.

    Parameters
    ----------
    report : mapping
        As JSON has it, with ``layers``.
    path : Path
        Of the report.
    """
    held: dict[str, Any] = {}
    layers = []
    for layer in report["layers"]:
        proofs = [
            _named(proof, f"{layer['layer_id']}/{place}", held)
            for place, proof in enumerate(layer["proofs"])
        ]
        layers.append({**layer, "proofs": proofs})
    if not held:
        return None
    plain = json.dumps(held, separators=(",", ":"), allow_nan=False)
    content = gzip.compress(plain.encode(), mtime=0)
    digest = hashlib.sha256(content).hexdigest()
    name = path.stem + ENDING
    named = {"path": name, "sha256": digest}
    slim = {**report, "proof_file": named, "layers": layers}
    return Apart(slim, name, content)


def _named(
    proof: Mapping[str, Any], place: str, held: dict[str, Any]
) -> Mapping[str, Any]:
    """A proof that is short, or what is said of one that is held in the file."""
    if len(json.dumps(proof)) <= MOST_INLINE:
        return proof
    held[place] = proof
    return {**{name: proof[name] for name in NAMED}, "in_file": place}


def joined(report: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """A report read from a file, with its long proofs in their layers.

    Raises
    ------
    FormatError
        The file of proofs that it names is missing, another one, or damaged.
    """
    try:
        return with_proofs(report, path.parent)
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(
            f"{path}: its file of proofs cannot be read ({reason}): keep it beside the report"
        ) from None
