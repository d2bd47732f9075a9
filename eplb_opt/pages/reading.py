"""What commands wrote with ``--json``, read back for a page: every key that it needs is there and of its type."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..claims.reading import read_head, read_layer, read_section, read_totals
from ..claims.schema import NAME, Section
from ..errors import FormatError, shown
from ..formats.content import read_content
from ..formats.proof_file import joined
from ..own_files import kind_of_schema
from ..report import gap, outputs, replay, replay_schema, sweep_schema

REPORT = "report"
GAP = "gap"
REPLAY = "replay"
SWEEP = "sweep"
SCHEMAS = {gap.SCHEMA: GAP, replay.SCHEMA: REPLAY, sweep_schema.SCHEMA: SWEEP}
WRITERS = "solve, gap, replay or sweep"
# Keys that older files, or those of a sweep that is not complete, do not have.
LATER = (
    "gap_limit",
    "fail_above",
    "above",
    "baseline",
    "frontier",
    "objective",
    "time",
    "time_bound",
    "least",
    "above_least",
)
HEAD = 64  # bytes that tell whether a file is JSON of ours
Found = Mapping[str, Any]


def read_found(path: Path) -> tuple[str, Found] | None:
    """Read what ``solve``, ``gap``, ``replay`` or ``sweep`` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    (kind, content) or None
        `REPORT`, `GAP`, `REPLAY` or `SWEEP`; None: the file is none of these, so it may hold loads.

    Raises
    ------
    FormatError
        It is of these, and a key is missing or a value of another type, or it is of another command.
    """
    if not _may_be_json(path):
        return None
    content = read_content(path)
    if not isinstance(content, Mapping) or not _is_ours(content):
        return None
    schema = str(content.get("schema", NAME))
    if schema.partition("/")[0] == NAME:
        whole = joined(content, path)
        _check_report(whole, str(path))
        return REPORT, whole
    if schema not in SCHEMAS:
        found = kind_of_schema(schema)
        what = f"of schema {shown(schema)}" if found is None else found.what
        raise FormatError(
            f"{path} is {what}: give loads, or what {WRITERS} wrote with --json"
        )
    kind = SCHEMAS[schema]
    CHECKS[kind](content, str(path))
    return kind, content


def _may_be_json(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(HEAD).lstrip().startswith(b"{")
    # A folder, or no file at all: said where loads are read.
    except OSError:
        return False


def _is_ours(content: Found) -> bool:
    """Whether a command of this package wrote it; its reports before schemas have none."""
    schema = content.get("schema")
    if isinstance(schema, str):
        return schema.startswith("eplb_opt.")
    return {"totals", "layers", "num_replicas"} <= content.keys()


def _check_report(content: Found, where: str) -> None:
    head = read_head(content, where)
    schema = 1 if "schema" in content else 0
    if not head["layers"]:
        raise FormatError(f"{where}: 'layers' is empty")
    for number, layer in enumerate(head["layers"]):
        read_layer(layer, number, schema)
    read_totals(head["totals"], schema)


def _check_gap(content: Found, where: str) -> None:
    head = _section(content, outputs.GAP, where)
    layers = len(head["layer_ids"])
    lists = [head["lower_bound"], head["bound_method"]]
    if not head["methods"]:
        raise FormatError(f"{where}: 'methods' is empty")
    for row in head["methods"]:
        method = _section(row, outputs.GAP_METHOD, f"{where}: 'methods'")
        lists += [method["layer_objective"], method["layer_imbalance"]]
        if method.get("sampling") is not None:
            _section(method["sampling"], outputs.GAP_SAMPLING, f"{where}: 'sampling'")
    _check_lengths(lists, layers, where)


def _check_replay(content: Found, where: str) -> None:
    head = _section(content, replay_schema.REPLAY, where)
    if not head["outcomes"]:
        raise FormatError(f"{where}: 'outcomes' is empty")
    _section(head["advice"], replay_schema.ADVICE, f"{where}: 'advice'")
    for row in head["advice"]["comparisons"]:
        _section(row, replay_schema.COMPARISON, f"{where}: 'comparisons'")
    by_window = []
    by_layer = []
    for row in head["outcomes"]:
        outcome = _section(row, replay_schema.OUTCOME, f"{where}: 'outcomes'")
        if outcome["parts"] is not None:
            _section(outcome["parts"], replay_schema.PARTS, f"{where}: 'parts'")
        by_window.append(outcome["window_imbalance"])
        by_layer.append(outcome["layer_imbalance"])
    _check_lengths(by_window, len(head["served"]), where)
    _check_lengths(by_layer, len(head["layer_ids"]), where)


def _check_sweep(content: Found, where: str) -> None:
    head = _section(content, sweep_schema.SWEEP, where)
    if not head["cells"]:
        raise FormatError(f"{where}: 'cells' is empty: the sweep has made none yet")
    for row in head["left_out"]:
        _section(row, sweep_schema.LEFT_OUT, f"{where}: 'left_out'")
    has_size = head["bytes_per_expert"] is not None
    for row in head["cells"]:
        cell = _section(row, sweep_schema.CELL, f"{where}: 'cells'")
        if (cell["slots_bytes"] is not None) != has_size:
            raise FormatError(
                f"{where}: 'slots_bytes' of a cell contradicts 'bytes_per_expert'"
            )
    made = {_place(row) for row in head["cells"]}
    for row in head["advice"]:
        if _place(_section(row, sweep_schema.ADVICE, f"{where}: 'advice'")) not in made:
            raise FormatError(f"{where}: 'advice' names a cell that is not there")


def _place(row: Found) -> tuple[Any, ...]:
    return row["map"], row["replicas"], row["ranks"], row["tokens_per_step"]


CHECKS = {GAP: _check_gap, REPLAY: _check_replay, SWEEP: _check_sweep}


def _section(data: Any, section: Section, where: str) -> Found:
    """The keys of a section, all of which must be there."""
    read = read_section(data, section, where, lambda field: False)
    missing = [name for name in section.names() if name not in read]
    needed = [name for name in missing if name not in LATER]
    if needed:
        raise FormatError(
            f"{where}: no {needed[0]!r}: give the whole file that the command wrote with --json"
        )
    return read


def _check_lengths(lists: list[list[Any]], length: int, where: str) -> None:
    for values in lists:
        if len(values) != length or not values:
            raise FormatError(
                f"{where}: a list of {len(values)} values where {length} are expected"
            )
