"""The certificate of a search over rank contents: its tree is looked through again (``models/README.md``, X11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .certificate import Certificate
from .names import COVER


@dataclass(frozen=True)
class CoverCertificate(Certificate):
    """Says that no contents of ranks within ``target`` hold all replicas, by a tree that can be made again (X11).

    Parameters
    ----------
    target : float
        T, in units of load.
    """

    kind: ClassVar[str] = "cover"
    names: ClassVar[tuple[str, ...]] = (COVER,)
