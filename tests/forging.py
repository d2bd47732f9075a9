"""Reports forged: what is put where, when a forged report may still be true, and the command as the judge."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eplb_opt.certificates.names import COUNTS, CUTS, PATTERNS
from eplb_opt.certificates.registry import certified_names, searched_names
from eplb_opt.cli import main

from .reports import Case

Report = dict[str, Any]
CERTIFIED = certified_names()
SEARCHED = searched_names()
MARK = "@forged@"
# What a file may hold in the place of any value, as JSON text.
HOSTILE = (
    "null", "true", "false", '"1"', '"x"', '"\\ud800"', "[]", "{}", "[[1]]", "NaN", "Infinity", "-Infinity", "1e400",
    "-1e400", "1" + "0" * 400, "-1" + "0" * 400, "1" + "0" * 5000, "-1", "1e308", "0", "18446744073709551616",
)  # fmt: skip
# What says nothing of the map: any value of the right type is as true as another.
UNCHECKED = (
    "method", "note", "seconds", "compile_seconds", "stop", "package", "version", "work", "workers", "seed",
)  # fmt: skip
LAST_LINE = re.compile(
    r"\d+ layers?: \d+ with faults(?: and \d+ in the report's head and totals)?; objectives recomputed; "
    r"\d+ bounds? re-proven in full; largest re-proven gap (?:\d+\.\d{4}|-) %"
)


class Judge:
    """The command on the files of a case, with another report."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder
        self.arguments = case.write(folder)

    def text(self, text: str) -> int:
        """The exit code for a report's text; what is said has the form that it must have."""
        Path(self.arguments[1]).write_text(text)
        return self.verified()

    def verified(self) -> int:
        """The exit code for the files as they are."""
        out = io.StringIO()
        err = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["verify", *self.arguments])
        check_said(code, out.getvalue(), err.getvalue())
        return code

    def report(self, report: Report) -> int:
        return self.text(json.dumps(report))

    def forged(self, path: tuple[Any, ...], value: str) -> int:
        """The exit code with JSON text in the place of a value."""
        report = copy.deepcopy(self.case.report)
        parent_of(report, path)[path[-1]] = MARK
        return self.text(json.dumps(report).replace(f'"{MARK}"', value))


def check_said(code: int, out: str, err: str) -> None:
    """What `verify` says has one of its forms."""
    if code == 2:
        assert out == ""
        assert err.startswith("eplb-opt: error: ")
        assert err.count("\n") == 1
        assert len(err) < 1000
    else:
        assert err == ""
        assert LAST_LINE.fullmatch(out.splitlines()[-1])
    assert out.isascii()
    assert "..." not in out + err


def parent_of(report: Report, path: tuple[Any, ...]) -> Any:
    found: Any = report
    for key in path[:-1]:
        found = found[key]
    return found


def value_at(report: Report, path: tuple[Any, ...]) -> Any:
    return parent_of(report, path)[path[-1]]


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every value of a report; of lists the first item, but two proofs."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths_of(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value[: 2 if path[-1] == "proofs" else 1]):
            yield from paths_of(item, (*path, i))


def is_proof(path: tuple[Any, ...]) -> bool:
    return len(path) > 3 and path[2] == "proofs"


def may_be_true(case: Case, path: tuple[Any, ...], value: str) -> bool:
    """Whether a forged value may leave the report true."""
    key, old = path[-1], value_at(case.report, path)
    if json.dumps(old) == value or (old == 0 and value == "0"):
        return True
    if path in (("limits", "seconds"), ("limits", "work")) and value == "null":  # no limit
        return True
    if key == "commit":  # text, or null
        return value.startswith('"') or value == "null"
    if key in UNCHECKED or "reached" in path:  # of the right type only
        return isinstance(old, str) == value.startswith('"') and value not in ("null", "true", "false", "NaN", "[]")
    if key in ("distinct", "num_groups"):  # other claims, that may hold of the same map
        return value in ("true", "false")
    if key == "gap_limit":  # the output says what OPTIMAL means
        return value in ("0", "1e308", "18446744073709551616")
    if key in ("proofs", *range(2)) and path[-2] in ("proofs", 0, 1):
        return case.report["layers"][path[1]]["bound_method"] not in (CUTS, COUNTS, PATTERNS)
    return is_proof(path)  # another certificate that holds; that none proves too much is tested with the bounds
