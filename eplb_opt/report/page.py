"""The pages about what ``--json`` writes, made of the schemas: ``python -m eplb_opt.report.page`` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from ..certificates.certificate import Certificate
from ..certificates.registry import KINDS
from ..claims import checks
from ..claims.schema import HEAD, NUMBER, PROOF, SCHEMA, SECTIONS, Field, Section
from . import demo, diff, gap, inspection, outputs, replay, sweep_schema

DOCS = Path(__file__).resolve().parents[2] / "docs"
PATH = DOCS / "report.md"
OUTPUTS_PATH = DOCS / "outputs.md"
START = f"""# The report

`eplb-opt solve --json FILE` and `Result.to_dict()` write it (`--json -`: on standard output, which then has nothing
else), `eplb-opt verify` reads it and proves again what it says. This page is made of `eplb_opt/claims/schema.py` by
`python -m eplb_opt.report.page`. The schema is `{SCHEMA}`.

`verify` reads reports of schema {NUMBER} and those of before schemas, which have no key marked *since schema 1*. One
of a newer schema is refused in one line (exit code 2). Keys that are not listed are named and not checked. Loads are in
tokens, times in seconds.

Of the column *checked*: **yes** is what `verify` recomputes from map and loads, proves again, or finds to follow from
other keys; the others are read only, a value of another type is refused. Keys marked *command* are those that only the
command writes.
"""
OUTPUTS_START = f"""# Further JSON

What the other commands write with `--json FILE`; `-` is standard output, which then has nothing else: `eplb-opt gap`
(`{gap.SCHEMA}`), `replay` (`{replay.SCHEMA}`), `sweep` (`{sweep_schema.SCHEMA}`), `diff` (`{diff.SCHEMA}`), `inspect`
(`{inspection.SCHEMA}`), `verify` (`{checks.SCHEMA}`) and `demo` (`{demo.SCHEMA}`). The report of `eplb-opt solve` has
[a page of its own](report.md). A key that is added keeps the number, one that goes or changes its meaning raises it.
Loads are in tokens, times in seconds. This page is made of
`eplb_opt/report/outputs.py`, `replay_schema.py`, `sweep_schema.py`, `diff_schema.py`, `inspection_schema.py` and
`demo_schema.py` by `python -m eplb_opt.report.page`.
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


def outputs_page() -> str:
    """The text of the page about what the other commands write, Markdown."""
    sections = ["\n".join(_plain_lines(section)) for section in outputs.SECTIONS]
    return "\n".join((OUTPUTS_START, *sections))


def _plain_lines(section: Section) -> Iterator[str]:
    """The heading and the table of a section of which nothing is read again."""
    yield f"## {section.name}"
    yield ""
    yield "| key | type | meaning |"
    yield "| --- | --- | --- |"
    for field in section.fields:
        yield f"| `{field.name}` | {field.value.expected} | {field.meaning} |"
    yield ""


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
        notes.append(field.optional)
    note = f" ({', '.join(notes)})" if notes else ""
    checked = "yes" if field.is_checked else ""
    return f"| `{field.name}` | {field.value.expected} | {checked} | {field.meaning}{note} |"


def _kind_line(kind: type[Certificate]) -> str:
    keys = ", ".join(f"`{field.name}`" for field in fields(kind))
    names = ", ".join(kind.names)
    meaning = (kind.__doc__ or "").partition("\n")[0].replace("``", "`")
    return f"| `{kind.kind}` | {keys} | {names} | {meaning} |"


def main() -> None:
    """Write the pages."""
    DOCS.mkdir(exist_ok=True)
    PATH.write_text(page())
    OUTPUTS_PATH.write_text(outputs_page())


if __name__ == "__main__":
    main()
