"""Certificates for stored bounds that rest on a search: trees are looked for at the bounds, and the store keeps them.

``python -m benchmarks.certify [CASES]`` says how many of each name it certified, and writes the store with ``--write``.
No bound changes: only what proves it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eplb_opt.budget import Budget
from eplb_opt.certificates.certificate import Certificate
from eplb_opt.certificates.groups import bound_of_ranks, group_pool
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.certificates.names import SEARCHED
from eplb_opt.certificates.registry import read_certificate
from eplb_opt.exact.cover import decide
from eplb_opt.exact.pairing_tree import MOST_NODES, count_tree
from eplb_opt.grouping import certified_groups
from eplb_opt.problem.hierarchy import NodeSet, bottleneck_partition, members, node_sets
from eplb_opt.problem.instance import Instance
from eplb_opt.problem.pool import Pool
from eplb_opt.problem.status import exceeds

from .bounds import PATH, Bounds, check, instance_key
from .cases import cases

BELOW = 1 - 1e-12  # of a bound that is a sum of two replica loads: the target whose next sum it is
TICKS = 400_000_000  # contents looked at for one bound
NODES = 20_000  # of a tree over counts, where few do not suffice

Proof = dict[str, Any]  # as the store holds it


def certificate_of(pool: Pool, bound: float, nodes: int) -> Certificate | None:
    """The certificate of a bound of a pool, if a tree is small enough."""
    if pool.slots_per_rank == 2:
        return count_tree(pool, bound * BELOW, most_nodes=nodes)
    return decide(pool, bound, Budget(work=TICKS)).proof


def proofs_of(instance: Instance, layer: int, entry: dict[str, Any]) -> Iterator[Proof]:
    """The certificates of a layer's pools: those that are stored, and further ones where the bound needs them."""
    bound = entry["lower_bound"]
    stored = {tuple(proof["groups"]): proof for proof in entry["proofs"]}
    every_set = node_sets(instance)
    if every_set is None:
        yield from entry["proofs"]
        proof = certified_groups(group_pool(instance, layer), instance.ranks_per_pool, bound)
        if proof is not None and bound_of_ranks(proof.target, instance.ranks_per_pool) >= bound:
            yield {"groups": list(range(instance.num_groups))} | proof.to_dict()
        return
    yield from _of_sets(instance, layer, bound, stored, every_set)


def _of_sets(
    instance: Instance, layer: int, bound: float, stored: dict[NodeSet, Proof], every_set: list[NodeSet]
) -> Iterator[Proof]:
    """Stored certificates, and new ones of the node sets that decide: every partition has one that reaches the bound.

    Of the best partition as far as it is proven the heaviest set is tried, until no partition is below the bound; with
    long trees where short ones leave one.
    """
    proofs = {node_set: {"kind": _kind(proof), **proof} for node_set, proof in stored.items()}
    pools = {one: instance.pool(layer, members(instance, one) if instance.hierarchical else None) for one in every_set}
    values = {one: _known(pools[one], proofs.get(one)) for one in every_set}
    for nodes in (MOST_NODES, NODES):
        tried: set[NodeSet] = set()
        worst, partition = bottleneck_partition(values, instance.num_groups)
        while exceeds(bound, worst) and not tried.issuperset(partition):
            heaviest = max((one for one in partition if one not in tried), key=values.__getitem__)
            tried.add(heaviest)
            new = certificate_of(pools[heaviest], bound, nodes)
            if new is not None:
                proofs[heaviest] = {"groups": list(heaviest)} | new.to_dict()
                values[heaviest] = new.bound(pools[heaviest])
            worst, partition = bottleneck_partition(values, instance.num_groups)
    yield from proofs.values()


def _kind(proof: Proof) -> str:
    """Of a stored certificate; the first ones did not say it."""
    return "patterns" if "prices" in proof else "cuts"


def _known(pool: Pool, proof: Proof | None) -> float:
    """What is proven of a pool."""
    certified = 0.0 if proof is None else read_certificate(proof).bound(pool)
    return max(trivial_bound(pool)[0], certified)


def certified(instance: Instance, layer: int, entry: dict[str, Any]) -> dict[str, Any]:
    """A stored entry with certificates and the name of what proves it; the same entry where they do not suffice."""
    proofs = list(proofs_of(instance, layer, entry))
    names = {name for proof in proofs for name in read_certificate(proof).names}
    one = instance.select([layer])
    for name in sorted(names):
        new = {**entry, "bound_method": name, "proofs": proofs}
        proven, faults = check(one, [new])
        if proven and not faults:
            return new
    return entry


def main() -> None:
    """Look for certificates, and say how many were found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="default: all")
    parser.add_argument("--bounds", type=Path, default=PATH)
    parser.add_argument("--write", action="store_true", help="into the store")
    options = parser.parse_args()
    bounds = Bounds(options.bounds)
    for case, instance in cases(options.cases):
        layers = bounds.layers(instance) or []
        searched = Counter(entry["bound_method"] for entry in layers if entry["bound_method"] in SEARCHED)
        if not searched:
            continue
        new = [
            certified(instance, i, entry) if entry["bound_method"] in SEARCHED else entry
            for i, entry in enumerate(layers)
        ]
        left = Counter(entry["bound_method"] for entry in new if entry["bound_method"] in SEARCHED)
        for name, number in searched.items():
            print(f"{case:36s} {name:28s} {number - left[name]} of {number} certified", flush=True)
        if options.write:
            key = instance_key(instance)
            line = bounds.store.get(instance=key) or bounds.base.get(instance=key)
            bounds.store.put({**line, "layers": new})


if __name__ == "__main__":
    main()
