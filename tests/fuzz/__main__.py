"""The campaign: ``python -m tests.fuzz --seconds 300``, all parts on all cores; what is done is kept and gone on with.

Every chunk follows from the seed and its number: ``--chunk 17 --parts files`` judges one again, here, and says all
faults. A folder of ``--journal`` holds what is done, and the results, one JSON line a part; another commit or seed
needs a folder of its own. Exit code 1 if there was a fault, 2 if nothing could be begun.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.environment import environment
from benchmarks.store import Store

from .campaign import Campaign, result
from .crew import Crew, Done
from .journal import Journal, OtherCampaignError
from .part import Part, judged
from .parts import PARTS

RESULTS = "results.jsonl"
UNTIMED = [name for name, part in PARTS.items() if not part.is_timed]


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    made = argparse.ArgumentParser(
        "python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ", ".join(PARTS)
    made.add_argument("--parts", default=",".join(UNTIMED), help=f"of {names}; default: %(default)s")
    made.add_argument("--seconds", type=float, default=300.0, help="no chunk begins later; default: %(default)s")
    made.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="default: %(default)s")
    made.add_argument("--journal", type=Path, default=Path("build/fuzz"), help="a folder; default: %(default)s")
    made.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    made.add_argument("--chunk", type=int, help="judge this one of one part, here, and keep nothing")
    return made


def parts_of(names: str) -> list[Part]:
    """Parts by their names.

    Raises
    ------
    SystemExit
        There is none of a name.
    """
    unknown = [name for name in names.split(",") if name not in PARTS]
    if unknown:
        raise SystemExit(f"no part {unknown[0]!r}: give some of {', '.join(PARTS)}")
    return [PARTS[name] for name in names.split(",")]


def say(done: Done) -> None:
    """Each fault, as it is found."""
    for fault in done.tally.faults:
        print(f"{done.chunk.part.name}, chunk {done.chunk.number}: {fault}", flush=True)


def told(line: dict[str, Any]) -> str:
    """A part's result in a line."""
    rate = line["count"] / line["seconds"] if line["seconds"] else 0.0
    figures = ", ".join(f"{name} {count:,}" for name, count in line["figures"].items())
    return (
        f"{line['part']}: {line['count']:,} of {line['whole']:,} {line['summary']}, {line['faults']} faults, "
        f"{line['seconds']:.0f} s of processors ({rate:.1f} a second); {figures}"
    )


def again(part: Part, seed: int, number: int) -> int:
    """Judge one chunk here; the exit code."""
    tally = judged(part, seed, number, part.size(number))
    print(json.dumps({"count": tally.count, "figures": dict(tally.figures)}))
    print("\n".join(tally.faults))
    return int(bool(tally.faults))


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit code."""
    options = parser().parse_args(arguments)
    parts = parts_of(options.parts)
    if options.chunk is not None:
        return again(parts[0], options.seed, options.chunk)
    try:
        journal = Journal(options.journal, environment(options.seed))
    except OtherCampaignError as error:
        print(error, file=sys.stderr)
        return 2
    code = 0
    with Crew(options.processes, options.seed) as crew:
        try:
            Campaign(parts, journal).run(crew, options.seconds, say)
        except KeyboardInterrupt:
            code = 130
    store = Store(options.journal / RESULTS, ("part",))
    faults = 0
    for part in parts:
        line = result(part, journal)
        store.put(line)
        print(told(line), flush=True)
        faults += line["faults"]
    return code or int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
