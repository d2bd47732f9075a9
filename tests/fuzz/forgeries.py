"""Forged reports, maps and loads through the command that verifies them: none is accepted.

Of every case of `tests.reports`: bounds above the best known map, that all figures follow from, with certificates
changed at random; figures that are better than the files say; values that no report may hold; another map, other loads.
"""

from __future__ import annotations

import copy
import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt import Status, solve
from eplb_opt.certificates.layer import LayerCertificate, totals_of
from eplb_opt.formats import write_map
from eplb_opt.problem.placement import Placement

from ..forging import CERTIFIED, HOSTILE, Judge, may_be_true, parent_of, paths_of, value_at
from ..reports import CASES, Case
from .part import Part, Tally, raised

MEMORY = "/dev/shm"
ACCEPTED = 0
BETTER = 1e-6  # relative: what is better by less may be rounding
FIGURES = ("objective", "lower_bound", "imbalance", "balancedness")
TOTALS = ("imbalance_mean", "imbalance_max", "balancedness_mean")
Forgery = tuple[str, int]  # what was forged, and the exit code; -1: the files are still true


@cache
def case_of(name: str) -> Case:
    """A true report and its files."""
    return CASES[name]()


@cache
def weak_case_of(name: str) -> tuple[Case, list[float]] | None:
    """The case with a worse map, and the objectives that are known to be possible; None: there is no worse map here."""
    case = case_of(name)
    best = solve(case.instance, "refined").objective if name in UNSOLVED else case.placement.objective(case.instance)
    greedy = solve(case.instance, "greedy")
    if not (greedy.objective > best * (1 + 10 * BETTER)).any():
        return None
    report = json.loads(json.dumps({"windows": "all"} | greedy.to_dict()))
    for layer, true in zip(report["layers"], case.report["layers"], strict=True):
        layer["proofs"] = true["proofs"]
    return Case(case.instance, greedy.placement, report, 1), best.tolist()


UNSOLVED = ("patterns", "many groups")  # of which the case has the greedy's map


def false_bounds(pick: random.Random, name: str, folder: Path) -> Forgery:
    """A bound that a known map refutes, in a report that contradicts itself nowhere, with any certificate."""
    found = weak_case_of(name)
    if found is None:
        return figures(pick, name, folder)
    case, best = found
    report = copy.deepcopy(case.report)
    method = pick.choice(CERTIFIED)
    for layer, known in zip(report["layers"], best, strict=True):
        room = layer["objective"] - known
        layer["lower_bound"] = known + room * pick.uniform(0.01, 1) if room > known * BETTER else known
        layer["proofs"] = _changed_proofs(pick, layer, pick.choice(list(CASES)))
        _follow(layer, method)
    rows = [LayerCertificate(**{**layer, "status": Status(layer["status"])}) for layer in report["layers"]]
    report["totals"] = json.loads(json.dumps(totals_of(rows, report["totals"]["seconds"])))
    return "bounds", Judge(case, folder).report(report)


def _follow(layer: dict[str, Any], method: str) -> None:
    """What follows from a layer's bound."""
    layer["gap"] = layer["objective"] / layer["lower_bound"] - 1
    layer["bound_method"] = method
    is_optimal = layer["gap"] <= layer["gap_limit"]
    layer["status"] = "OPTIMAL" if is_optimal else "FEASIBLE"
    layer["stop"] = "gap reached" if is_optimal else "time limit"


def _changed_proofs(pick: random.Random, layer: dict[str, Any], other: str) -> list[Any]:
    """The layer's certificates, or another case's, which claim what the bound claims, with numbers changed."""
    source = layer["proofs"] if pick.random() < 0.7 else pick.choice(case_of(other).report["layers"])["proofs"]
    proofs = copy.deepcopy(source)
    for proof in proofs:
        if "target" in proof and pick.random() < 0.8:
            proof["target"] = layer["lower_bound"] * pick.choice([1.0, 1.0, 1 + 1e-9, 1.001, 1.5])
        for _ in range(pick.randrange(4)):
            _change_a_number(pick, proof)
    return proofs


def _change_a_number(pick: random.Random, proof: dict[str, Any]) -> None:
    """Somewhere in a certificate: another number, or one left out or doubled."""
    holder: Any = proof
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return
        key = pick.choice(keys)
        value = holder[key]
        if isinstance(value, (dict, list)):
            if pick.random() < 0.9:
                holder = value
                continue
            holder[key] = value[::-1] if isinstance(value, list) else value
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            holder[key] = _other_number(pick, value)
        return


def _other_number(pick: random.Random, value: float) -> float:
    steps = [value + 1, value - 1, -value, 0, value * 2, value * 1000 + 1, value * (1 + pick.uniform(-0.5, 0.5))]
    changed = pick.choice(steps)
    return int(changed) if isinstance(value, int) else changed


def figures(pick: random.Random, name: str, folder: Path) -> Forgery:
    """A figure that is better than what the files say."""
    case = case_of(name)
    layers = len(case.report["layers"])
    key = pick.choice([*FIGURES, *TOTALS, "gap"])
    path = ("totals", key) if key in TOTALS else ("layers", pick.randrange(layers), key)
    old = value_at(case.report, path)
    share = 10 ** pick.uniform(-5.9, -0.1)
    if key == "gap":
        new = old + 10 ** pick.uniform(-8, 1) if old < 1e-8 else old * (1 - share)
    else:
        new = old * (1 + share if key in ("lower_bound", "balancedness", "balancedness_mean") else 1 - share)
    return "figures", Judge(case, folder).forged(path, repr(new))


@cache
def places_of(name: str) -> list[tuple[Any, ...]]:
    """Every value of a case's report."""
    return list(paths_of(case_of(name).report))


def hostile(pick: random.Random, name: str, folder: Path) -> Forgery:
    """A value that is none of its place; a key that is missing."""
    case = case_of(name)
    path = pick.choice(places_of(name))
    if isinstance(path[-1], str) and pick.random() < 0.1:
        report = copy.deepcopy(case.report)
        del parent_of(report, path)[path[-1]]
        return "values", Judge(case, folder).report(report)
    value = pick.choice(HOSTILE)
    code = Judge(case, folder).forged(path, value)
    is_true = code in (ACCEPTED, case.code) and may_be_true(case, path, value)
    return "values", -1 if is_true else code


def other_map(pick: random.Random, name: str, folder: Path) -> Forgery:
    """The report of another map: slots of two ranks exchanged."""
    case = case_of(name)
    phy2log = case.placement.phy2log.copy()
    layer = pick.randrange(len(phy2log))
    for _ in range(pick.randrange(1, 4)):
        one, two = pick.sample(range(phy2log.shape[1]), 2)
        phy2log[layer, [one, two]] = phy2log[layer, [two, one]]
    changed = Placement(phy2log, case.instance.num_experts, case.placement.layer_ids)
    is_valid = changed.violations(case.instance) == []
    before = case.placement.objective(case.instance)
    is_as_good = is_valid and np.allclose(changed.objective(case.instance), before, rtol=1e-9, atol=0)
    judge = Judge(case, folder)
    write_map(folder / "map.npz", changed, "npz", case.instance.num_ranks, None)
    code = judge.report(case.report)
    return "maps", -1 if is_as_good else code


def other_loads(pick: random.Random, name: str, folder: Path) -> Forgery:
    """The report of other loads: one number differs."""
    case = case_of(name)
    load = case.instance.load.copy()
    place = tuple(pick.randrange(size) for size in load.shape)
    load[place] *= 1 + pick.choice([-1, 1]) * 10 ** pick.uniform(-14, 0)
    changed = replace(case.instance, load=load)
    judge = Judge(case, folder)
    np.savez(folder / "loads.npz", load=load)
    code = judge.report(case.report)
    return "loads", -1 if np.array_equal(changed.load, case.instance.load) else code


FORGERS: tuple[Callable[[random.Random, str, Path], Forgery], ...] = (
    false_bounds, false_bounds, false_bounds, figures, figures, hostile, hostile, other_map, other_loads,
)  # fmt: skip


def is_accepted(code: int, case: Case) -> bool:
    """Whether an exit code says that nothing is wrong: of a case that is sound but not proven, that is its own."""
    return code in (ACCEPTED, case.code)


def run(seed: int, number: int, count: int) -> Tally:
    """So many forgeries, of every case and kind."""
    pick = random.Random(f"{seed} {number}")
    faults: list[str] = []
    told: Counter[str] = Counter()
    names = list(CASES)
    judged = 0
    with tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as folder:
        while judged < count:
            name = pick.choice(names)
            forger = pick.choice(FORGERS)
            label = f"forgery {judged}, {name}, {forger.__name__}"
            try:
                kind, code = forger(pick, name, Path(folder))
            except Exception as error:
                kind, code = forger.__name__, 1
                faults.append(f"{label}: {raised(error)}")
            if code == -1:
                told["still true, not counted"] += 1
                continue
            judged += 1
            told[f"{kind} (exit code {code})"] += 1
            if is_accepted(code, case_of(name)):
                faults.append(f"{label}: accepted with exit code {code}")
    return Tally(judged, tuple(faults), told)


PART = Part("forgeries", "forged reports, maps and loads", 100_000, 250, run)
