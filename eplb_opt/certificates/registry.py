"""Certificates of either kind: read, checked, and what they prove of a pool."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ..problem.pool import Pool
from .cuts import CutCertificate, certificate_holds
from .mean import trivial_bound
from .names import COUNTS, CUTS, PATTERNS, not_certified
from .patterns import PatternCertificate, pattern_certificate_holds
from .sums import next_sum

Certificate = CutCertificate | PatternCertificate


def read_certificate(data: Mapping[str, Any]) -> Certificate:
    """The certificate of a ``to_dict``.

    Raises
    ------
    FormatError
        A key is missing or a value is of the wrong type.
    """
    return PatternCertificate.from_dict(data) if "prices" in data else CutCertificate.from_dict(data)


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """The bounds that a certificate of this kind may prove."""
    return (PATTERNS,) if isinstance(certificate, PatternCertificate) else (CUTS, COUNTS)


def holds(pool: Pool, certificate: Certificate) -> bool:
    """Whether a certificate proves that no packing of the pool is within its target, in integers, without a solver."""
    if isinstance(certificate, PatternCertificate):
        return pattern_certificate_holds(pool, certificate)
    return certificate_holds(pool, certificate)


def bound_of(pool: Pool, certificate: Certificate) -> float:
    """What a certificate proves if it holds, in units of load: at s = 2 the next sum of two replica loads (X5)."""
    target = certificate.target
    if pool.slots_per_rank != 2:
        return target
    return max(target, next_sum(pool, target, min(2 * target, sys.float_info.max)))


def certified_bound(pool: Pool, certificate: Certificate | None) -> float:
    """What can be proven again of a pool, in units of load: L0, or what its certificate proves."""
    trivial = trivial_bound(pool)[0]
    return trivial if certificate is None else max(trivial, bound_of(pool, certificate))


def true_name(pool: Pool, bound: float, name: str, certificate: Certificate | None) -> str:
    """The name of a bound: a certified one only if there is a certificate, and it proves the bound."""
    if name not in (CUTS, PATTERNS, COUNTS):
        return name
    is_proven = certificate is not None and name in names_of(certificate) and bound_of(pool, certificate) >= bound
    return name if is_proven else not_certified(name)
