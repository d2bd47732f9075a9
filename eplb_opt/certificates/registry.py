"""The kinds of certificates: read by their ``kind``, and the names of bounds that they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FormatError
from ..problem.pool import Pool
from ..strict import shown
from .certificate import Certificate
from .cost import CostCertificate
from .count_tree import CountTreeCertificate
from .cover import CoverCertificate
from .cuts import CutCertificate
from .groups import GroupCertificate
from .names import MEAN, REPLICA, SEARCHED
from .patterns import PatternCertificate
from .unequal import UnequalCertificate

__all__ = [
    "KINDS",
    "Certificate",
    "certified_names",
    "not_certified",
    "read_certificate",
    "searched_names",
    "true_name",
]

KINDS: dict[str, type[Certificate]] = {
    CutCertificate.kind: CutCertificate,
    PatternCertificate.kind: PatternCertificate,
    CostCertificate.kind: CostCertificate,
    UnequalCertificate.kind: UnequalCertificate,
    CoverCertificate.kind: CoverCertificate,
    CountTreeCertificate.kind: CountTreeCertificate,
    GroupCertificate.kind: GroupCertificate,
}


def read_certificate(data: Mapping[str, Any]) -> Certificate:
    """The certificate of a ``to_dict``.

    Parameters
    ----------
    data : mapping
        Files that were written before certificates had a ``kind`` have either cuts or prices.

    Raises
    ------
    FormatError
        The kind is not known, a key is missing or a value is of the wrong type.
    """
    former = PatternCertificate.kind if "prices" in data else CutCertificate.kind
    kind = data.get("kind", former)
    if not isinstance(kind, str) or kind not in KINDS:
        raise FormatError(
            f"a certificate of kind {shown(kind)}, known are {', '.join(KINDS)}"
        )
    return KINDS[kind].from_dict(data)


def certified_names() -> tuple[str, ...]:
    """Names of the bounds that can be proven again: L0, from the loads alone, and what the kinds prove."""
    return (MEAN, REPLICA, *_names_of_kinds())


def searched_names() -> tuple[str, ...]:
    """Names of the bounds that nothing short proves again."""
    return (*SEARCHED, *(_without_certificate(name) for name in certified_names()))


def not_certified(name: str) -> str:
    """The name of a bound whose certificate is missing, or proves less than the bound."""
    return _without_certificate(name) if name in certified_names() else name


def true_name(
    pool: Pool, bound: float, name: str, certificate: Certificate | None
) -> str:
    """The name of a bound: one of a kind's names only if there is a certificate, and it proves the bound."""
    if name not in _names_of_kinds():
        return name
    is_proven = certificate is not None and certificate.proves(pool, bound, name)
    return name if is_proven else not_certified(name)


def _names_of_kinds() -> tuple[str, ...]:
    return tuple(name for kind in KINDS.values() for name in kind.names)


def _without_certificate(name: str) -> str:
    return f"{name}, not certified"
