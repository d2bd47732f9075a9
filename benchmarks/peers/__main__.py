"""``python -m benchmarks.peers fetch [NAMES]`` unpacks peers' packages; ``list`` says which peers can run."""

from __future__ import annotations

import argparse

from . import PEERS, PeerMissingError
from .fetch import BY_DEFAULT, PACKAGES, fetch


def main() -> int:
    """Fetch or list; what cannot be had is said, and is no error: every peer is optional."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("fetch", "list"))
    parser.add_argument("packages", nargs="*", help=f"default: {', '.join(BY_DEFAULT)}; also: lmdeploy (107 MB)")
    options = parser.parse_args()
    if options.action == "fetch":
        for name in options.packages or BY_DEFAULT:
            if name not in PACKAGES:
                parser.error(f"package {name!r}: choose from {', '.join(PACKAGES)}")
            try:
                print(f"{name}: {fetch(name)}")
            except RuntimeError as error:
                print(f"{name}: {error}")
    for name, peer in PEERS.items():
        try:
            peer.load()
            print(f"{name:16s} {peer.distribution} {peer.version()}: {peer.source}")
        except PeerMissingError as error:
            print(f"{name:16s} absent: {error}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
