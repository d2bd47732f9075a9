"""What a report claims, read strictly: every key is there, and every value is of its type.

Keys that the schema does not list claim nothing that we know of; `unknown_keys` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..certificates.registry import read_certificate
from ..errors import FormatError
from ..own_files import REPORT, kind_of_schema
from ..strict import shown
from .schema import (
    BOUND,
    HEAD,
    LAYER,
    LIMITS,
    MILESTONE,
    NAME,
    NUMBER,
    OBJECTIVE,
    PREVIOUS,
    PROOF,
    PROOF_FILE,
    SCHEMA,
    TOTALS,
    Field,
    Section,
)

Fields = dict[str, Any]
Needed = Callable[[Field], bool]
MOST_DIGITS = 9  # of a schema's number
WRITER = "give the report that 'eplb-opt solve --json' wrote"


def read_section(data: Any, section: Section, where: str, needed: Needed) -> Fields:
    """The known keys of a section.

    Parameters
    ----------
    data : mapping
        Of a report: anything that JSON may hold.
    section : Section
    where : str
        What is read, for errors.
    needed : callable
        Whether a key must be there.

    Raises
    ------
    FormatError
        A key is missing, or a value is of another type.
    """
    if not isinstance(data, Mapping):
        raise FormatError(f"{where}: {shown(data)}, expected keys and values")
    read = {}
    for field in section.fields:
        if field.name in data:
            try:
                read[field.name] = field.value.read(data[field.name])
            except ValueError as error:
                raise FormatError(f"{where}: {field.name!r}: {error}") from None
        elif needed(field):
            raise FormatError(f"{where}: no {field.name!r}: {WRITER}")
    return read


def schema_of(report: Any, where: str) -> int:
    """The number of a report's schema; 0 without one.

    Raises
    ------
    FormatError
        This version does not know the schema, or a report without one has keys that only came with it.
    """
    if not isinstance(report, Mapping):
        raise FormatError(f"{where}: {shown(report)}, expected keys and values")
    if "schema" not in report:
        _refuse_later_keys(report, where)
        return 0
    given = report["schema"]
    if given == SCHEMA:
        return NUMBER
    if _number_of(given) > NUMBER:
        raise FormatError(
            f"{where}: schema {given} is newer than {SCHEMA}, which this version reads: update eplb_opt"
        )
    kind = kind_of_schema(given)
    if kind not in (None, REPORT):
        raise FormatError(kind.instead_of(where, REPORT.what))
    raise FormatError(f"{where}: schema {shown(given)}, expected {SCHEMA}")


def _refuse_later_keys(report: Mapping[str, Any], where: str) -> None:
    """A report without a schema has none of the keys that came with schemas."""
    for field in HEAD.fields:
        if field.since and field.name in report:
            raise FormatError(
                f"{where}: no 'schema', which a report with {field.name!r} has: {WRITER}"
            )


def _number_of(schema: Any) -> int:
    """The number of a schema of ours, -1 of anything else."""
    if not isinstance(schema, str):
        return -1
    name, _, digits = schema.partition("/")
    is_decimal = digits.isascii() and digits.isdecimal()
    if name != NAME or not is_decimal or len(digits) > MOST_DIGITS:
        return -1
    return int(digits)


def read_head(report: Any, where: str, needs_windows: bool = False) -> Fields:
    """The head of a report, without a look into its layers and totals.

    Parameters
    ----------
    report : mapping
    where : str
        What is read, for errors.
    needs_windows : bool
        The report must say which windows it is of.

    Raises
    ------
    FormatError
        It is of a schema that this version does not know, a key is missing or a value is of another type.
    """
    schema = schema_of(report, where)

    def needed(field: Field) -> bool:
        return field.is_needed(schema) or (needs_windows and field.name == "windows")

    head = read_section(report, HEAD, where, needed)
    for section in (OBJECTIVE, LIMITS, PREVIOUS, PROOF_FILE):
        if head.get(section.name) is not None:
            head[section.name] = read_section(
                head[section.name], section, section.name, needed
            )
    return head


def read_layer(data: Any, layer_id: int, schema: int | None) -> Fields:
    """What a report says of a layer.

    Parameters
    ----------
    data : mapping
    layer_id : int
        For errors.
    schema : int or None
        The report's; None: only what says an objective and a bound must be there.
    """

    def needed(field: Field) -> bool:
        return field.name in BOUND if schema is None else field.is_needed(schema)

    fields = read_section(data, LAYER, f"layer {layer_id}", needed)
    if "proofs" in fields:
        where = f"layer {layer_id}: 'proofs'"
        fields["proofs"] = tuple(
            _read_proof(item, where, schema or 0) for item in fields["proofs"]
        )
    return fields


def _read_proof(data: Any, where: str, schema: int) -> dict[str, Any]:
    fields = read_section(data, PROOF, where, lambda field: field.is_needed(schema))
    try:
        certificate = read_certificate(data)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None
    return {"groups": fields["groups"], **certificate.to_dict()}


def read_totals(data: Any, schema: int) -> Fields:
    """What a report says of all layers together."""

    def needed(field: Field) -> bool:
        return field.is_needed(schema)

    totals = read_section(data, TOTALS, TOTALS.name, needed)
    totals["reached"] = [
        read_section(item, MILESTONE, MILESTONE.name, needed)
        for item in totals["reached"]
    ]
    return totals


def unknown_keys(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys that claim nothing that we know of, each once; of a report whose sections can be read."""
    sections = [(report, HEAD), (report["totals"], TOTALS)]
    sections += [
        (report[section.name], section)
        for section in (OBJECTIVE, LIMITS, PREVIOUS, PROOF_FILE)
        if report.get(section.name) is not None
    ]
    sections += [(layer, LAYER) for layer in report["layers"]]
    sections += [(milestone, MILESTONE) for milestone in report["totals"]["reached"]]
    unknown = [
        shown(key)
        for data, section in sections
        for key in data
        if key not in section.names()
    ]
    return tuple(dict.fromkeys(unknown))
