"""What tasks came to, and what is certified of layers, as JSON types and back: every float stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ..certificates.layer import LayerCertificate
from ..certificates.registry import read_certificate
from ..outcome import PoolOutcome
from ..problem.pool import Packing
from ..problem.status import Status, StopReason


def outcome_to_dict(outcome: PoolOutcome) -> dict[str, Any]:
    """A task's outcome as JSON types.

    Parameters
    ----------
    outcome : PoolOutcome
    """
    packing = outcome.packing
    proof = outcome.proof
    return {
        "packing": None if packing is None else packing.experts.tolist(),
        "lower_bound": outcome.lower_bound,
        "stop": outcome.stop.value,
        "method": outcome.method,
        "bound_method": outcome.bound_method,
        "note": outcome.note,
        "proof": None if proof is None else proof.to_dict(),
    }


def outcome_of(data: Mapping[str, Any]) -> PoolOutcome:
    """The outcome of an `outcome_to_dict`.

    Raises
    ------
    KeyError, ValueError, TypeError
        It is none.
    """
    packing = data["packing"]
    proof = data["proof"]
    return PoolOutcome(
        None if packing is None else Packing(np.array(packing, dtype=np.int64)),
        data["lower_bound"],
        StopReason(data["stop"]),
        data["method"],
        data["bound_method"],
        data["note"],
        None if proof is None else read_certificate(proof),
    )


def certificate_to_dict(certificate: LayerCertificate) -> dict[str, Any]:
    """A layer's certificate as JSON types; what is infinite stays so.

    Parameters
    ----------
    certificate : LayerCertificate
    """
    status = certificate.status.value
    stop = certificate.stop.value
    return asdict(certificate) | {"status": status, "stop": stop}


def certificate_of(data: Mapping[str, Any]) -> LayerCertificate:
    """The certificate of a `certificate_to_dict`.

    Raises
    ------
    KeyError, ValueError, TypeError
        It is none.
    """
    status = Status(data["status"])
    stop = StopReason(data["stop"])
    lists = {name: tuple(data[name]) for name in ("reached", "proofs")}
    return LayerCertificate(**{**data, **lists, "status": status, "stop": stop})
