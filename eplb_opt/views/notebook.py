"""A result as notebooks show it: a small table, without a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..certificates.layer import LayerCertificate
from ..problem.status import Status

MOST_ROWS = 12  # layers, those with the largest gaps
HEAD = ("layer", "imbalance", "bound", "gap %", "status", "proved by")


def table_html(
    title: str,
    certificates: Sequence[LayerCertificate],
    totals: Mapping[str, Any],
) -> str:
    """The totals, and the layers with the largest gaps, in the order of layers.

    Parameters
    ----------
    title : str
    certificates : sequence of LayerCertificate
    totals : mapping
        Of `Result.totals`.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> from eplb_opt import Instance, solve
    >>> result = solve(Instance([[8, 3, 1]], num_replicas=4, num_ranks=2), "greedy")
    >>> "<td>FEASIBLE</td>" in table_html("greedy", result.certificates, result.totals())
    True
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in HEAD)
    shown = _largest_gaps(certificates)
    rows = "".join(_row(certificate) for certificate in shown)
    left = len(certificates) - len(shown)
    note = f"<p>and {left} layers with smaller gaps</p>" if left else ""
    return (
        f"<p><b>{escape(title)}</b>: {_summary(totals)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"
    )


def _largest_gaps(
    certificates: Sequence[LayerCertificate],
) -> list[LayerCertificate]:
    by_gap = sorted(certificates, key=lambda certificate: -certificate.gap)
    return sorted(by_gap[:MOST_ROWS], key=lambda certificate: certificate.layer_id)


def _summary(totals: Mapping[str, Any]) -> str:
    return (
        f"{totals['optimal']} of {totals['layers']} layers {Status.OPTIMAL}, "
        f"imbalance mean {totals['imbalance_mean']:.4f}, worst {totals['imbalance_max']:.4f}, "
        f"{totals['seconds']:.1f} s"
    )


def _row(certificate: LayerCertificate) -> str:
    bound = certificate.imbalance / (1 + certificate.gap)
    cells = (
        str(certificate.layer_id),
        f"{certificate.imbalance:.4f}",
        f"{bound:.4f}",
        f"{certificate.gap * 100:.4f}",
        str(certificate.status),
        certificate.bound_method,
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
