"""What commands beside ``solve`` write with ``--json``, as data: the page ``docs/outputs.md`` is made of it."""

from __future__ import annotations

from ..claims import checks
from ..claims.schema import OBJECTIVE, Field, Section, objects
from ..claims.values import (
    AT_LEAST_0,
    BOOLEAN,
    COUNT,
    INTEGER,
    POSITIVE,
    TEXT,
    list_of,
    or_null,
)
from . import (
    demo_schema,
    diff_schema,
    gap,
    inspection_schema,
    replay_schema,
    sweep_schema,
)
from .replay_schema import NUMBER, an_object

NUMBERS = list_of(AT_LEAST_0, "numbers >= 0, one a layer")
TEXTS = list_of(TEXT, "texts")
FAULTS = "what contradicts the report"

GAP_SAMPLING = Section(
    "sampling",
    (
        Field(
            "sampling",
            NUMBER,
            "what steps of `tokens_per_step` add to the imbalance, mean over layers: an estimate by simulation",
        ),
        Field("sampling_error", AT_LEAST_0, "its standard error"),
        Field("sampling_lower", AT_LEAST_0, "proven lower bound of it"),
        Field("sampling_upper", AT_LEAST_0, "proven upper bound of it"),
        Field(
            "windows",
            POSITIVE,
            "windows that were looked at; with `--across sum` one, their sum",
        ),
    ),
)
GAP_METHOD = Section(
    "method",
    (
        Field(
            "method",
            TEXT,
            "name of the method, or `policy` or `map` and what was given",
        ),
        Field("layers", COUNT, "number of layers"),
        Field("optimal", COUNT, "layers whose gap is at most `--gap`"),
        Field("imbalance_mean", AT_LEAST_0, "mean imbalance over layers"),
        Field("imbalance_max", AT_LEAST_0, "largest imbalance"),
        Field("balancedness_mean", AT_LEAST_0, "mean balancedness over layers"),
        Field(
            "gap_mean",
            or_null(AT_LEAST_0),
            "mean gap over layers, to the best bound of all methods; null is infinite",
        ),
        Field("gap_max", or_null(AT_LEAST_0), "largest gap; null is infinite"),
        Field(
            "seconds",
            or_null(AT_LEAST_0),
            "wall-clock time; null: of a map that was read",
        ),
        Field(
            "layer_objective",
            NUMBERS,
            "the objective: tokens, or an imbalance over windows; with `--cost` in its unit",
        ),
        Field("layer_imbalance", NUMBERS, "objective over mean rank load"),
        Field(
            "layer_gap",
            list_of(or_null(AT_LEAST_0), "numbers >= 0, one a layer; null is infinite"),
            "objective / lower_bound - 1",
        ),
        Field(
            "sampling",
            or_null(an_object(GAP_SAMPLING)),
            "with `--tokens-per-step` and without `--cost`; otherwise null",
        ),
    ),
)
GAP = Section(
    "gap --json",
    (
        Field("schema", TEXT, f"`{gap.SCHEMA}`"),
        Field("instance", TEXT, "loads and topology in a line"),
        Field("mode", TEXT, "`global` or `hierarchical`"),
        Field(
            "objective",
            an_object(OBJECTIVE),
            "what was optimised, as in the report of `solve`",
        ),
        Field("notes", TEXTS, "what was said of options without effect"),
        Field(
            "interrupted",
            BOOLEAN,
            "stopped by a signal; methods that had not begun are missing",
        ),
        Field("layer_ids", list_of(COUNT, "integers >= 0"), "absolute layer indices"),
        Field(
            "lower_bound",
            NUMBERS,
            "best bound that a method proved, in the objective's unit",
        ),
        Field("bound_method", list_of(TEXT, "texts, one a layer"), "what proved it"),
        Field(
            "gap_limit", AT_LEAST_0, "gap up to which a layer is `optimal` (`--gap`)"
        ),
        Field("tokens_per_step", or_null(POSITIVE), "tokens of a step, before routing"),
        Field(
            "top_k",
            or_null(POSITIVE),
            "routed copies of a token, taken as independent; null without `tokens_per_step`",
        ),
        Field("fail_above", or_null(AT_LEAST_0), "the limit of `--fail-above`"),
        Field("above", TEXTS, "what is not proven to be within it"),
        Field(
            "baseline",
            an_object(GAP_METHOD),
            "without EPLB, named `contiguous`: the experts in order, then their further replicas",
        ),
        Field("methods", objects(GAP_METHOD), "methods, then policies, then maps"),
    ),
)
VERIFY_LAYER = Section(
    "verified layer",
    (
        Field("layer_id", COUNT, "absolute layer index"),
        Field(
            "objective",
            or_null(AT_LEAST_0),
            "recomputed from the map; null: the map is not valid",
        ),
        Field("claimed_objective", AT_LEAST_0, "the report's"),
        Field("bound", AT_LEAST_0, "proven again here"),
        Field("claimed_bound", AT_LEAST_0, "the report's"),
        Field("bound_method", TEXT, "what proved the bound, as the report says"),
        Field(
            "gap",
            or_null(AT_LEAST_0),
            "of the recomputed objective to the bound proven again; null is infinite",
        ),
        Field("faults", TEXTS, f"{FAULTS}; empty if nothing does"),
        Field("claimed_optimal", BOOLEAN, "the report calls the layer OPTIMAL"),
        Field(
            "spare_proven",
            BOOLEAN,
            "the report's bound of maps with spare replicas is proven again, if it has one",
        ),
        Field(
            "bound_proven",
            BOOLEAN,
            "the report's bound is proven again, not only one below it, and that of maps with spare replicas",
        ),
    ),
)
VERIFY = Section(
    "verify --json",
    (
        Field("schema", TEXT, f"`{checks.SCHEMA}`"),
        Field(
            "exit_code", INTEGER, "the verdict, 0, 1 or 3 (`eplb-opt verify --help`)"
        ),
        Field("map_valid", BOOLEAN, "the map is valid in every layer"),
        Field("faults", TEXTS, f"{FAULTS}'s head and totals"),
        Field("unknown", TEXTS, "keys that are not known; nothing was checked of them"),
        Field("claimed_optimal", COUNT, "layers that the report calls OPTIMAL"),
        Field(
            "optimal",
            COUNT,
            "those of them that no fault concerns; one in head or totals concerns all",
        ),
        Field(
            "gap_limit",
            AT_LEAST_0,
            "largest gap up to which the report calls a layer OPTIMAL",
        ),
        Field("with_faults", COUNT, "layers with faults"),
        Field(
            "bounds_proven",
            COUNT,
            "layers without faults whose bound is proven again in full",
        ),
        Field("layers", objects(VERIFY_LAYER), "one item a layer"),
    ),
)
SECTIONS = (
    GAP,
    GAP_METHOD,
    GAP_SAMPLING,
    *replay_schema.SECTIONS,
    *sweep_schema.SECTIONS,
    *diff_schema.SECTIONS,
    *inspection_schema.SECTIONS,
    VERIFY,
    VERIFY_LAYER,
    *demo_schema.SECTIONS,
)
