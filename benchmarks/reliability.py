"""The page of the campaign: ``python -m benchmarks.reliability --take FOLDER``, of what `tests.fuzz` judged.

``--take`` takes the results of a journal's folder into ``results/reliability.jsonl``, a line a part, each of which may
have been judged elsewhere. ``RELIABILITY.md`` is made of these, and of what `benchmarks.overhead` measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt.formats import atomic_write

from . import overhead
from .gaps import markdown
from .overruns import LONGEST, MORE, PART, SHAPES, SHORTEST
from .store import Store, read_lines

RESULTS = Path(__file__).parent / "results" / "reliability.jsonl"
PAGE = Path(__file__).parent / "RELIABILITY.md"
JUDGED = "results.jsonl"  # in the folder of a journal
OVERRUNS = "overruns"

TEXT = """# Under fire

*Written by `python -m benchmarks.reliability`, of what `make fuzz` judged: `python -m tests.fuzz --parts {parts}`.*

Every one is judged by something that shares no code with what it judges, or by what must be true of any answer: maps
by the published greedy in plain Python and by counting, bounds and methods by brute force in fractions, files by slow
readers of our own, forged reports by the fact that they are false. A chunk follows from the seed and its number alone
(`python -m tests.fuzz --parts PART --chunk NUMBER` judges it again). An exception, a process that dies or one that does
not end is a fault. Tests plant a fault in each part, and see it counted.

{table}

{origins}

## What was seen

{seen}
"""

OVER_TIME = """
## Over time

{count:,} calls of `optimal` with limits from {shortest:g} to {longest:g} s, shapes up to {largest}, 2 workers each. Of
what a call may take beyond its limit, {part:.0%} of it and {more:g} s (or the time of the greedy's map, which is made
whatever the limit is): one half took at most {p50:.0%}, 99 of 100 at most {p99:.0%}, all at most {most:.0%}; more than
is allowed took {beyond}. A worker took at most {memory:.0f} MiB of memory.
"""

OVERHEAD = """
## Long jobs

What a journal, a shard and a cluster cost, and what that predicts
([how to](../docs/how-to/long-jobs.md#a-thousand-models-a-hundred-topologies-each)):

```text
{text}
```

{origin}
"""


def rows(lines: Sequence[dict[str, Any]]) -> Iterator[list[str]]:
    """A row a part: what was judged, how many, what was wrong."""
    yield ["part", "what", "judged", "asked for", "faults", "hours of a core"]
    for line in lines:
        yield [
            line["part"],
            line["summary"],
            f"{line['count']:,}",
            f"{line['whole']:,}",
            f"{line['faults']:,}",
            f"{line['seconds'] / 3600:.2f}",
        ]


def origins(lines: Sequence[dict[str, Any]]) -> str:
    """Where parts were judged: a sentence a commit, machine and seed."""
    found: dict[str, list[str]] = {}
    for line in lines:
        place = (
            f"commit {line['commit']}, {line['date']}, {' and '.join(line['machines'])}, seed {line['seed']}, "
            f"Python {line['python']}"
        )
        found.setdefault(place, []).append(line["part"])
    return " ".join(f"{', '.join(parts)}: {place}." for place, parts in found.items())


def seen(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What parts have counted beside, and their faults."""
    for line in lines:
        counted = [f"{name}: {count:,}" for name, count in line["figures"].items()]
        if counted:
            yield f"- {line['part']}: {'; '.join(counted)}."
        yield from (f"- {line['part']}, fault: `{text}`" for text in line["examples"])


def over_time(line: dict[str, Any]) -> str:
    """The section on limits of time."""
    over = np.array(line["measures"])
    p50, p99 = np.quantile(over, [0.5, 0.99])
    layers, experts, slots, ranks, *_ = SHAPES["largest"]
    return OVER_TIME.format(
        count=len(over), shortest=SHORTEST, longest=LONGEST, largest=f"{layers} x {experts:,} x {slots:,} x {ranks:,}",
        part=PART, more=MORE, p50=p50, p99=p99, most=over.max(), beyond=int((over > 1).sum()),
        memory=line["most"]["bytes of a worker"] / 2**20,
    )  # fmt: skip


def page(lines: Sequence[dict[str, Any]], costs: Sequence[dict[str, Any]] = ()) -> str:
    """The page of results, and of what long jobs cost where that was measured."""
    text = TEXT.format(
        parts=",".join(line["part"] for line in lines),
        table=markdown(list(rows(lines))),
        origins=origins(lines),
        seen="\n".join(seen(lines)),
    )
    timed = [over_time(line) for line in lines if line["part"] == OVERRUNS and line["measures"]]
    long_jobs = [OVERHEAD.format(text=overhead.told(line), origin=overhead.origin(line)) for line in costs]
    return "".join([text, *timed, *long_jobs])


def main(arguments: Sequence[str] | None = None) -> None:
    """Take results in, if there are new ones, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--take", type=Path, action="append", default=[], help="the folder of a journal, any number")
    options = parser.parse_args(arguments)
    store = Store(RESULTS, ("part",))
    for folder in options.take:
        for line in read_lines(folder / JUDGED):
            store.put(line)
    costs = read_lines(overhead.RESULTS) if overhead.RESULTS.exists() else []
    text = page(list(store), costs)
    atomic_write(PAGE, lambda file: file.write(text.encode()))
    print(text)


if __name__ == "__main__":
    main()
