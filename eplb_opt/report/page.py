"""The page about reports, ``docs/report.md``, made of the schema: ``python -m eplb_opt.report.page`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from ..certificates.certificate import Certificate
from ..certificates.registry import KINDS
from ..checker.schema import HEAD, NUMBER, PROOF, SCHEMA, SECTIONS, Field, Section

PATH = Path(__file__).resolve().parents[2] / "docs" / "report.md"
START = f"""# The report

`eplb-opt solve --json FILE` and `Result.to_dict()` write it (`--json -`: on standard output, which then has nothing
else), `eplb-opt verify` reads it and proves again what it says. This page is made of `eplb_opt/checker/schema.py` by
`python -m eplb_opt.report.page`. The schema is `{SCHEMA}`.

`verify` reads reports of schema {NUMBER} and those of before schemas, which have no key marked *since schema 1*. One
of a newer schema is refused in one line (exit code 2). Keys that are not listed are named and not checked. Loads are in
tokens, times in seconds.

Of the column *checked*: **yes** is what `verify` recomputes from map and loads, proves again, or finds to follow from
other keys; the others are read only, a value of another type is refused. Keys marked *command* are those that only the
command writes.
"""
KINDS_START = """## Kinds of certificates

A certificate proves that no packing of a pool is within its `target`. The keys beside `groups` and `kind`:

| kind | keys | bounds that it may prove | |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The page's text, Markdown."""
    sections = ["\n".join(_section_lines(section)) for section in SECTIONS]
    kinds = KINDS_START + "\n".join(_kind_line(kind) for kind in KINDS.values())
    return "\n".join((START, *sections, kinds)) + "\n"


def _section_lines(section: Section) -> Iterator[str]:
    """The heading and the table of a section."""
    yield "## Head" if section is HEAD else f"## {section.name}"
    yield ""
    yield "| key | type | checked | meaning |"
    yield "| --- | --- | --- | --- |"
    for field in section.fields:
        yield _field_line(field)
    if section is PROOF:
        yield ""
        yield "Further keys are those of the certificate's kind, below."
    yield ""


def _field_line(field: Field) -> str:
    notes = []
    if field.since:
        notes.append(f"since schema {field.since}")
    if field.optional:
        notes.append("command")
    note = f" ({', '.join(notes)})" if notes else ""
    checked = "yes" if field.is_checked else ""
    return f"| `{field.name}` | {field.value.expected} | {checked} | {field.meaning}{note} |"


def _kind_line(kind: type[Certificate]) -> str:
    keys = ", ".join(f"`{field.name}`" for field in fields(kind))
    names = ", ".join(kind.names)
    meaning = (kind.__doc__ or "").partition("\n")[0].replace("``", "`")
    return f"| `{kind.kind}` | {keys} | {names} | {meaning} |"


def main() -> None:
    """Write the page."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(page())


if __name__ == "__main__":
    main()
