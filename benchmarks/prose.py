"""The figures in the write-up's sentences, each computed from the committed results."""

from __future__ import annotations

from statistics import mean, median

from .gaps import ORDER, Line, by_case, methods
from .regimes import equal_to_greedy, layers_of

FINE, COSTLY = 0.01, 0.05  # the greedy's gap: mean at most 1 % is fine, a layer at 5 % or more is costly
OURS = ("greedy", "refined", "optimal")


def figures(quality: list[Line], speed: list[Line]) -> dict[str, str]:
    """Text by placeholder."""
    cases = by_case(quality)
    layers = {(name, case["greedy"]["instance"]): len(case["greedy"]["layers"]) for name, case in cases.items()}
    return {
        "cases": str(len(cases)),
        "layers": str(sum(layers.values())),
        **_greedy(cases),
        **_peers(quality, cases),
        **_refined(cases),
        **_exact([case["optimal"] for case in cases.values() if "optimal" in case]),
        **_regimes(quality),
        **_speeds(speed),
    }


def _greedy(cases: dict[str, dict[str, Line]]) -> dict[str, str]:
    judged = {name: case["greedy"] for name, case in cases.items() if "gap_mean" in case["greedy"]}
    fine = [name for name, line in judged.items() if line["gap_mean"] <= FINE]
    costly = sorted((n for n, line in judged.items() if line["gap_max"] >= COSTLY), key=lambda n: -judged[n]["gap_max"])
    worst = max(judged, key=lambda name: judged[name]["gap_mean"])
    return {
        "greedy_fine_count": str(len(fine)), "greedy_fine": _names(fine),
        "greedy_costly_count": str(len(costly)),
        "greedy_costly": "; ".join(f"`{n}` {_gap(judged[n])}" for n in costly) or "none",
        "greedy_worst": f"`{worst}`", "greedy_worst_gap": _gap(judged[worst]),
    }  # fmt: skip


def _peers(quality: list[Line], cases: dict[str, dict[str, Line]]) -> dict[str, str]:
    """Who equals the greedy, and who is better or worse, by the mean gap over the cases that both do."""
    peers = {line["method"]: line for line in quality if line["kind"] == "peer"}
    same, other = equal_to_greedy(quality), []
    for peer in (m for m in ORDER if m in peers and m not in same):
        both = [(c["greedy"], c[peer]) for c in cases.values() if "gap_mean" in c.get(peer, {})]
        if both:
            better = sum(b["gap_mean"] < a["gap_mean"] - 1e-6 for a, b in both)
            ours, theirs = (_percent(mean(line["gap_mean"] for line in side)) for side in zip(*both, strict=True))
            other.append(f"`{peer}` has a smaller mean gap than the greedy in {better} of the {len(both)} cases that "
                         f"it does (mean over them {theirs} against {ours})")  # fmt: skip
    missing = [peer for peer in ORDER if peer not in peers and peer not in OURS]
    versions = dict.fromkeys(f"{_package(m)} {line['version']}" for m, line in peers.items())
    return {
        "peers_same": _names(same), "peers_other": "; ".join(other) or "none differs",
        "peers_missing": f"Not installed in this run: {_names(missing)}. " if missing else "",
        "peer_versions": ", ".join(versions) or "none installed",
    }  # fmt: skip


def _refined(cases: dict[str, dict[str, Line]]) -> dict[str, str]:
    both = [(c["greedy"], c["refined"]) for c in cases.values() if "gap_mean" in c.get("refined", {})]
    if not both:
        return {"refined": "The results hold no run of `refined`."}
    ours, greedy = mean(b["gap_mean"] for _, b in both), mean(a["gap_mean"] for a, _ in both)
    worst = max((b for _, b in both), key=lambda line: line["gap_mean"])
    text = f"`refined`, the production heuristic, leaves {_percent(ours)} on average over the cases"
    return {"refined": f"{text} where the greedy leaves {_percent(greedy)}; worst: `{worst['case']}`, {_gap(worst)}."}


def _exact(lines: list[Line]) -> dict[str, str]:
    proven = sum(line["totals"]["optimal"] for line in lines)
    complete = [line for line in lines if line["totals"]["optimal"] == line["totals"]["layers"]]
    still_open = [line for line in lines if line not in complete]
    within = {gap: sum(line["totals"]["reached"][i]["layers"] for line in lines) for i, gap in enumerate(("1", "0.1"))}
    slowest = max(complete, key=lambda line: line["seconds"])
    return {
        "proven_layers": str(proven), "complete_count": str(len(complete)), "exact_cases": str(len(lines)),
        "within_1": str(within["1"]), "within_01": str(within["0.1"]),
        "exact_median": f"{median(line['seconds'] for line in lines):.1f}",
        "exact_slowest": f"`{slowest['case']}`", "exact_slowest_seconds": f"{slowest['seconds']:.1f}",
        "time_limit": f"{lines[0]['time_limit']:g}", "workers": str(lines[0]["workers"]),
        "open": "; ".join(
            f"`{line['case']}` ({line['totals']['optimal']} of {line['totals']['layers']} layers proven, own gap mean "
            f"{line['totals']['gap_mean'] * 100:.3f} %, largest {line['totals']['gap_max'] * 100:.3f} %)"
            for line in still_open) or "none: every layer of every case is proven",
    }  # fmt: skip


def _regimes(quality: list[Line]) -> dict[str, str]:
    """The greedy's mean gap where the regime is extreme."""
    found = [layer for layer in layers_of(quality) if layer.method == "greedy"]
    slots = {s: mean(x.gap for x in found if x.slots == s) for s in sorted({layer.slots for layer in found})}
    most, least = max(slots, key=lambda s: slots[s]), min((s for s in slots if s > 1), key=lambda s: slots[s])
    return {"slots_worst": str(most), "slots_worst_gap": _percent(slots[most]), "slots_best": str(least),
            "slots_best_gap": _percent(slots[least]), "methods": _names(methods(quality))}  # fmt: skip


def _speeds(speed: list[Line]) -> dict[str, str]:
    """How much faster or slower the methods of this package are than the peers, over cases."""
    texts = []
    for threads in sorted({row["threads"] for row in speed}):
        for method in OURS:
            rows = [r for r in speed if r["method"] == method and r["threads"] == threads and r["device"] == "cpu"
                    and "times_faster_than_fastest_peer" in r]  # fmt: skip
            if rows:
                texts.append(f"on {threads} thread{'s'[: threads - 1]}, `{method}` {_ratios(rows, 'fastest_peer')} and "
                             f"{_ratios(rows, 'best_peer')}")  # fmt: skip
    text = "; ".join(texts) or "no speed results yet"
    return {"speeds": text[0].upper() + text[1:]}


def _ratios(rows: list[Line], which: str) -> str:
    ratios = [row[f"times_faster_than_{which}"] for row in rows]
    names = {"fastest_peer": "the fastest peer", "best_peer": "the peer with the best balance"}
    return (f"{median(ratios):.2f} times as fast as {names[which]} (median over {len(ratios)} cases, "
            f"{min(ratios):.2f} to {max(ratios):.2f})")  # fmt: skip


def _package(peer: str) -> str:
    from .peers import PEERS

    return PEERS[peer].distribution


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _percent(value: float) -> str:
    return f"{value * 100:.2f} %"


def _gap(line: Line) -> str:
    return f"{line['gap_mean'] * 100:.2f} % on average, {line['gap_max'] * 100:.2f} % in the worst layer"
