"""The report's schema as data: what ``solve --json`` and `Result.to_dict` write, and what `verify` reads.

The page ``docs/report.md`` is made of it (`report.page`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..certificates.names import CP_SAT, SPARE_REPLICA
from ..problem.across import ACROSS
from ..problem.spare import SPARE
from .values import (
    ABOVE_0,
    AT_LEAST_0,
    BOOLEAN,
    COST_VALUE,
    COUNT,
    DIGEST,
    GAP,
    INTEGER,
    LIST,
    MAPPING,
    POSITIVE,
    SECONDS_OR_NULL,
    STATUS,
    STOP,
    TEXT,
    TIMES,
    Value,
    list_of,
    one_of,
    or_null,
)

NAME = "eplb_opt.report"
# Of the schema; a higher one is refused, 0 is that of reports before schemas.
NUMBER = 1
SCHEMA = f"{NAME}/{NUMBER}"
COMMAND = "command"  # only the command writes the key
IN_TIME = "cost"  # only a report in time has the key
UNEQUAL_SPEEDS = "ranks of unequal speed"  # only a report of such ranks has the key
UNEQUAL_SLOTS = "ranks of unequal slots"
OF_STEPS = "cost and tokens_per_step"
LONG_PROOFS = "proofs of some kilobytes, in a file"


@dataclass(frozen=True)
class Field:
    """A key of a report.

    Parameters
    ----------
    name : str
    value : Value
        Its type.
    meaning : str
    is_checked : bool
        `verify` recomputes it, or proves it again; other keys are only read.
    since : int
        Number of the first schema that has it.
    optional : str
        Why not every report has it, for the page; empty: all have it.
    """

    name: str
    value: Value
    meaning: str
    is_checked: bool = False
    since: int = 0
    optional: str = ""

    def is_needed(self, schema: int) -> bool:
        """Whether every report of a schema has it."""
        return self.since <= schema and not self.optional


@dataclass(frozen=True)
class Section:
    """Keys that stand together.

    Parameters
    ----------
    name : str
        As errors and the page about reports name it.
    fields : tuple of Field
    """

    name: str
    fields: tuple[Field, ...]

    def names(self) -> tuple[str, ...]:
        """Its keys, in the order in which they are written."""
        return tuple(field.name for field in self.fields)


def _object(section: Section) -> Value:
    return replace(MAPPING, expected=f"keys and values, see {section.name}")


def objects(section: Section) -> Value:
    """A list of items, each with a section's keys."""
    return replace(LIST, expected=f"list of keys and values, see {section.name}")


def _checked(name: str, value: Value, meaning: str) -> Field:
    return Field(name, value, meaning, is_checked=True)


def _new(name: str, value: Value, meaning: str, is_checked: bool = False) -> Field:
    """A key that reports before schemas do not have."""
    return Field(name, value, meaning, is_checked, since=1)


OBJECTIVE = Section(
    "objective",
    (
        _checked(
            "across",
            one_of(ACROSS),
            "how recorded windows are put together: their loads are added, or "
            "of heaviest over mean rank load the mean over windows, over the worst ones, or the worst one is taken",
        ),
        _checked(
            "level",
            or_null(AT_LEAST_0),
            "of `cvar`: the worst 1 - level of the windows count; otherwise null",
        ),
        _checked(
            "weights",
            or_null(list_of(AT_LEAST_0, "numbers >= 0")),
            "of the windows, where they were given",
        ),
        Field(
            "cost",
            COST_VALUE,
            "what a replica takes for the tokens of a step, as a cost's file has it",
            is_checked=True,
            since=1,
            optional=IN_TIME,
        ),
        Field(
            "tokens_per_step",
            or_null(POSITIVE),
            "tokens of a step, before routing; null: the cost is that of the loads as they are",
            is_checked=True,
            since=1,
            optional=IN_TIME,
        ),
        Field(
            "top_k",
            POSITIVE,
            "experts of a token",
            is_checked=True,
            since=1,
            optional=IN_TIME,
        ),
    ),
)
LIMITS = Section(
    "limits",
    (
        Field("seconds", or_null(ABOVE_0), "wall-clock limit of the call"),
        Field(
            "work",
            or_null(ABOVE_0),
            "deterministic limit of each pool, in roughly seconds of one core",
        ),
        _checked("gap", AT_LEAST_0, "gap up to which a layer counts as OPTIMAL"),
        Field("workers", POSITIVE, "processes"),
    ),
)
PROOF = Section(
    "proof",
    (
        _checked(
            "groups",
            list_of(INTEGER, "integers"),
            "the pool's expert groups, those of one node; [0] in global mode",
        ),
        _new(
            "kind",
            TEXT,
            "kind of the certificate, which has the other keys (see below)",
            is_checked=True,
        ),
    ),
)
LAYER = Section(
    "layer",
    (
        _checked("layer_id", COUNT, "absolute layer index"),
        _checked(
            "objective",
            AT_LEAST_0,
            "heaviest rank in tokens, or in the cost's unit, or the windows' imbalance; recomputed from the map",
        ),
        _checked(
            "lower_bound",
            AT_LEAST_0,
            "proven least possible objective, in the same unit",
        ),
        _checked("gap", GAP, "objective / lower_bound - 1"),
        _checked(
            "imbalance",
            AT_LEAST_0,
            "objective over mean rank load, or over the map's mean rank time; 1 is perfect",
        ),
        _checked("balancedness", AT_LEAST_0, "1 / imbalance"),
        _checked("status", STATUS, "whether the gap is at most the gap limit"),
        Field("stop", STOP, "why the method stopped; of an OPTIMAL layer: that it was"),
        Field("method", TEXT, "what found the placement"),
        _checked("bound_method", TEXT, "what proved the bound"),
        Field(
            "seconds",
            AT_LEAST_0,
            "computing time spent on the layer, all processes together",
        ),
        Field("note", TEXT, "cause of a fallback, or empty"),
        Field(
            "reached",
            TIMES,
            "seconds after which the gap was at most 1 %, 0.1 % and 0.01 %",
        ),
        _checked(
            "proofs",
            objects(PROOF),
            "certificates of pools' bounds beyond the mean and the largest replica",
        ),
        _checked(
            "gap_limit", AT_LEAST_0, "gap up to which the layer counts as OPTIMAL"
        ),
        _new(
            "moves",
            or_null(COUNT),
            "replicas on a rank that does not hold their expert in the map in use; null without one",
            is_checked=True,
        ),
        _new(
            "moves_bound",
            or_null(COUNT),
            "moves that a map with such an objective, or the one asked for, takes at least; null without a map in use",
            is_checked=True,
        ),
        _new(
            "spare_bound",
            or_null(AT_LEAST_0),
            "proven least objective of a map with spare replicas; null if these were not asked for",
            is_checked=True,
        ),
        _new(
            "spare_bound_method",
            or_null(TEXT),
            f"what proved it: `{SPARE_REPLICA}`, the layer's `bound_method`, or `{CP_SAT}`, which is searched",
            is_checked=True,
        ),
        Field(
            "step_time",
            AT_LEAST_0,
            "mean time of simulated steps, that of the slowest rank, in the cost's unit; an estimate",
            is_checked=True,
            since=1,
            optional=OF_STEPS,
        ),
        Field(
            "step_time_error",
            AT_LEAST_0,
            "its standard error",
            since=1,
            optional=OF_STEPS,
        ),
    ),
)
MILESTONE = Section(
    "totals.reached",
    (
        _checked("gap", AT_LEAST_0, "the milestone"),
        _checked("layers", COUNT, "layers whose gap is at most that"),
        _checked("seconds", SECONDS_OR_NULL, "when the last of them came within it"),
    ),
)
TOTALS = Section(
    "totals",
    (
        _checked("layers", COUNT, "number of layers"),
        _checked("optimal", COUNT, "layers that are OPTIMAL"),
        _checked("imbalance_mean", AT_LEAST_0, "mean imbalance over layers"),
        _checked("imbalance_max", AT_LEAST_0, "largest imbalance"),
        _checked("balancedness_mean", AT_LEAST_0, "mean balancedness over layers"),
        _checked("gap_mean", GAP, "mean gap over layers"),
        _checked("gap_max", GAP, "largest gap"),
        Field("seconds", AT_LEAST_0, "wall-clock time of the call, without compiling"),
        Field("compile_seconds", AT_LEAST_0, "time of compiling before it"),
        _new(
            "moves",
            or_null(COUNT),
            "replicas that move, of all layers; null without a map in use",
            is_checked=True,
        ),
        _checked(
            "reached",
            objects(MILESTONE),
            "a milestone each: gaps of 1 %, 0.1 % and 0.01 %",
        ),
    ),
)
PREVIOUS = Section(
    "previous",
    (
        _new(
            "map_sha256",
            DIGEST,
            "SHA-256 of the map in use: of the line `LAYERS RANKS SLOTS` (of a rank) and "
            "its experts as little-endian int64, -1 for an empty slot",
        ),
        _new(
            "max_moves",
            or_null(AT_LEAST_0),
            "limit on moves: a layer, or below 1 of its slots",
        ),
        _new(
            "slack",
            or_null(AT_LEAST_0),
            "what the objective may have more, for fewer moves",
        ),
        _new(
            "move_price",
            or_null(AT_LEAST_0),
            "of a move, in units of the mean rank load",
        ),
        _new("min_gain", AT_LEAST_0, "least gain for which a layer changes"),
        _new(
            "failed_ranks",
            list_of(COUNT, "integers >= 0"),
            "ranks of it that hold nothing any more",
        ),
    ),
)
PROOF_FILE = Section(
    "proof_file",
    (
        _new("path", TEXT, "its name, in the report's folder", is_checked=True),
        _new("sha256", DIGEST, "SHA-256 of the file", is_checked=True),
    ),
)
HEAD = Section(
    "the report",
    (
        _new("schema", TEXT, f"`{SCHEMA}`", is_checked=True),
        _new("package", TEXT, "the package that wrote it"),
        _new("version", TEXT, "the package's version"),
        _new(
            "commit",
            or_null(TEXT),
            "commit that the package was installed from, if the installation says so",
        ),
        _new(
            "loads_sha256",
            DIGEST,
            "SHA-256 of the loads: of the line `WINDOWS LAYERS EXPERTS` and the loads as "
            "little-endian float64, C order",
            is_checked=True,
        ),
        Field(
            "windows",
            TEXT,
            "recorded windows that were selected, as for `--windows`",
            optional=COMMAND,
        ),
        Field("method", TEXT, "the method that was asked for"),
        _checked("mode", TEXT, "`global` or `hierarchical`"),
        _new("num_experts", POSITIVE, "logical experts a layer", is_checked=True),
        _checked("num_replicas", POSITIVE, "physical experts (slots) a layer"),
        _checked("num_ranks", POSITIVE, "ranks (GPUs)"),
        _checked("num_nodes", POSITIVE, "nodes"),
        _checked("num_groups", POSITIVE, "expert groups of the router"),
        _checked("distinct", BOOLEAN, "no two replicas of one expert on one rank"),
        Field(
            "rank_speeds",
            list_of(ABOVE_0, "numbers > 0"),
            "relative speed of each rank, which divides all that it takes",
            is_checked=True,
            since=1,
            optional=UNEQUAL_SPEEDS,
        ),
        Field(
            "rank_slots",
            list_of(COUNT, "integers >= 0"),
            "slots of each rank",
            is_checked=True,
            since=1,
            optional=UNEQUAL_SLOTS,
        ),
        _new("objective", _object(OBJECTIVE), "what was minimised", is_checked=True),
        _new("limits", _object(LIMITS), "when the method was to stop"),
        _new(
            "previous",
            or_null(_object(PREVIOUS)),
            "the map in use, and how much may change; null without one",
            is_checked=True,
        ),
        _new(
            "spare",
            or_null(one_of(SPARE)),
            "any one of them may fail, and every expert still has a replica; null if that was not asked for",
            is_checked=True,
        ),
        _new("seed", COUNT, "seed of everything that uses randomness"),
        Field(
            "notes",
            list_of(TEXT, "texts"),
            "what was said of options without effect",
            optional=COMMAND,
        ),
        Field(
            "interrupted",
            BOOLEAN,
            "stopped by a signal; the map is the best so far",
            optional=COMMAND,
        ),
        Field(
            "proof_file",
            _object(PROOF_FILE),
            "compressed JSON of the long proofs, by the `in_file` that stands in their place",
            is_checked=True,
            since=1,
            optional=LONG_PROOFS,
        ),
        _checked("layers", objects(LAYER), "one item a layer"),
        _checked("totals", _object(TOTALS), "over layers"),
    ),
)
SECTIONS = (
    HEAD, OBJECTIVE, LIMITS, PREVIOUS, PROOF_FILE, LAYER, PROOF, TOTALS, MILESTONE,
)  # fmt: skip
# What the least report of a layer has.
BOUND = ("layer_id", "objective", "lower_bound", "bound_method")


def in_order(report: Mapping[str, Any]) -> dict[str, Any]:
    """The head's keys in their order; others follow."""
    known = {name: report[name] for name in HEAD.names() if name in report}
    return {**known, **report}
