"""What is compared: this package's methods, peers, and anyone's policy, all behind one interface.

A method that the package does not have, or a peer that is not installed, is listed with the reason and left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eplb_opt.errors import PolicyError
from eplb_opt.external import load_policy
from eplb_opt.policies import POLICIES

from .peers import PEERS, PeerMissingError

# Policies without limits, called as the engines call them; others go through `solve` within a time limit.
HEURISTICS = ("greedy", "refined")
EXACT = ("optimal",)


@dataclass(frozen=True)
class Entry:
    """One thing to compare.

    Attributes
    ----------
    kind : 'heuristic', 'exact', 'peer' or 'policy'
    call : callable or None
        The standard interface; None for an exact method, or if it is absent.
    version : str
        Of a peer: its package's.
    absent : str
        Why it cannot run; empty if it can.
    """

    name: str
    kind: str
    call: Callable[..., Any] | None = None
    version: str = ""
    absent: str = ""


def entries(methods: list[str], peers: list[str], policies: list[str]) -> list[Entry]:
    """Everything named, exact methods first: they prove the bounds that the others are judged by."""
    found = [_method(name) for name in methods] + [_peer(name) for name in peers]
    found += [Entry(spec, "policy", load_policy(spec)) for spec in policies]
    return sorted(found, key=lambda entry: entry.kind != "exact")


def _method(name: str) -> Entry:
    policy = POLICIES.get(name)
    if policy is None:
        return Entry(name, "heuristic", absent=f"this version of eplb_opt has no method {name}")
    if hasattr(policy, "limits"):
        return Entry(name, "exact")
    return Entry(name, "heuristic", policy.rebalance_experts)


def _peer(name: str) -> Entry:
    try:
        return Entry(name, "peer", PEERS[name].load(), PEERS[name].version())
    except PeerMissingError as error:
        return Entry(name, "peer", absent=str(error))


def add_arguments(parser: argparse.ArgumentParser, methods: tuple[str, ...]) -> None:
    """The options that choose what is compared."""
    parser.add_argument("--cases", default="", help="comma-separated; default: all")
    parser.add_argument("--methods", default=",".join(methods), help="comma-separated; default: %(default)s")
    parser.add_argument("--peers", default="all", help="comma-separated, all or none; default: all that are installed")
    parser.add_argument(
        "--policy", action="append", default=[], metavar="MODULE:NAME", help="a policy of yours; repeatable"
    )


def chosen(options: argparse.Namespace) -> list[Entry]:
    """The entries that the options name, after saying which of them are absent."""
    peers = {"all": list(PEERS), "none": []}.get(options.peers, split(options.peers))
    for name in peers:
        if name not in PEERS:
            raise SystemExit(f"peer {name!r}: choose from {', '.join(PEERS)}")
    if options.policy and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = entries(split(options.methods), peers, options.policy)
    except PolicyError as error:
        raise SystemExit(str(error)) from None
    for entry in found:
        if entry.absent:
            print(f"{entry.name}: absent, {entry.absent}", flush=True)
    return found


def split(names: str) -> list[str]:
    """A comma-separated option."""
    return [name.strip() for name in names.split(",") if name.strip()]
