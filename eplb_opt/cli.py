"""The command ``eplb-opt``: solve, gap, verify, demo."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .errors import EplbError, OptionError
from .limits import Limits

METHODS = ("greedy", "milp", "cpsat", "optimal")
DEMO_MODEL = "deepseek-v3-decode"


class _Parser(argparse.ArgumentParser):
    """argparse that says one line, as every other error here."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, 1 if verify finds a fault, 2 for bad input, 130 after an interrupt."""
    options = _parser().parse_args(arguments)
    try:
        with _one_line_warnings():
            return int(options.run(options) or 0)
    except EplbError as error:
        print(f"eplb-opt: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("eplb-opt: interrupted, nothing written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("eplb-opt", description="Optimal placement of replicated experts, with a certificate.")
    parser.add_argument("--version", action="version", version=f"eplb-opt {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    solve = commands.add_parser("solve", help="place experts and certify the map")
    _add_input(solve)
    solve.add_argument("--method", choices=METHODS, default="optimal", help="default: %(default)s")
    solve.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the map here")
    solve.add_argument("--format", metavar="NAME", help="format of the map: npz or json (default: the file's ending)")
    solve.set_defaults(run=_solve)
    gap = commands.add_parser("gap", help="how far methods, and your own map, are from optimal")
    _add_input(gap)
    gap.add_argument("--methods", default="greedy,optimal", help="comma-separated; default: %(default)s")
    gap.add_argument("--map", type=Path, action="append", default=[], metavar="FILE", help="a map to judge; repeatable")
    gap.set_defaults(run=_gap)
    verify = commands.add_parser("verify", help="re-check a map and its --json report without a solver")
    verify.add_argument("map", type=Path, help="the map that solve wrote")
    verify.add_argument("report", type=Path, help="the report that solve --json wrote")
    verify.add_argument("loads", type=Path, help="the recorded loads")
    verify.set_defaults(run=_verify)
    demo = commands.add_parser("demo", help="solve synthetic DeepSeek-V3 loads: no file needed, under a minute")
    _add_limits(demo, seconds=40.0)
    demo.set_defaults(run=_demo)
    return parser


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("loads", type=Path, help="recorded loads: npz, npy, json, csv or torch .pt")
    parser.add_argument("--windows", default="all", help="index, range 0:16, label, or all (summed; the default)")
    parser.add_argument("--replicas", type=int, required=True, help="physical experts (slots) a layer")
    parser.add_argument("--ranks", type=int, required=True, help="GPUs")
    parser.add_argument("--nodes", type=int, default=1, help="nodes; default: 1")
    parser.add_argument("--groups", type=int, default=1, help="expert groups of the router; default: 1")
    parser.add_argument("--distinct", action="store_true", help="no two replicas of one expert on one rank")
    _add_limits(parser, seconds=60.0)


def _add_limits(parser: argparse.ArgumentParser, seconds: float) -> None:
    parser.add_argument("--time-limit", type=float, default=seconds, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--gap", type=float, default=1e-4, help="gap at which a layer is OPTIMAL; default: 1e-4")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; default: all cores")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything shown here")


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(seconds=options.time_limit, gap=options.gap, workers=options.workers, seed=options.seed)


def _read_instance(options: argparse.Namespace) -> Any:
    from .formats import read_loads
    from .instance import Instance

    loads = read_loads(options.loads).select(options.windows)
    return Instance(
        loads.load, options.replicas, options.groups, options.nodes, options.ranks, options.distinct,
        loads.layer_ids,
    )  # fmt: skip


def _solve(options: argparse.Namespace) -> None:
    from .formats import check_writable, write_json, write_map
    from .formats.plain import map_format

    limits = _limits(options)
    if options.output is not None:
        map_format(options.output, options.format)
    for path in (options.output, options.json):
        if path is not None:
            check_writable(path)
    instance = _read_instance(options)
    result = _run(instance, options.method, limits)
    if options.output is not None:
        write_map(options.output, result.placement, options.format)
    _print_result(result)
    if options.output is not None:
        print(f"map: {options.output}")
    if options.json is not None:
        write_json(options.json, {"windows": options.windows} | result.to_dict())


def _verify(options: argparse.Namespace) -> int:
    from .formats import read_loads, read_map, read_report
    from .instance import Instance
    from .report.tables import percent
    from .verify import verify

    report = read_report(options.report)
    loads = read_loads(options.loads).select(report["windows"])
    instance = Instance(
        loads.load, report["num_replicas"], report["num_groups"], report["num_nodes"], report["num_ranks"],
        report["distinct"], loads.layer_ids,
    )  # fmt: skip
    checks = verify(instance, read_map(options.map, instance.num_experts, instance.layer_ids), report["layers"])
    print(f"map: valid; {instance.describe()}")
    for check in checks:
        for fault in check.faults:
            print(f"layer {check.layer_id}: FAULT: {fault}")
        if not check.bound_proven:
            print(f"layer {check.layer_id}: claimed bound {check.claimed_bound:.9g} rests on a search tree; "
                  f"re-proven: {check.bound:.9g}, gap {percent(check.gap)} %")  # fmt: skip
    faults = sum(bool(check.faults) for check in checks)
    proven = sum(check.bound_proven and not check.faults for check in checks)
    worst = max(check.gap for check in checks)
    print(f"{len(checks)} layers: {faults} with faults; objectives recomputed; {proven} bounds re-proven in full; "
          f"largest re-proven gap {percent(worst)} %")  # fmt: skip
    return 1 if faults else 0


def _gap(options: argparse.Namespace) -> None:
    from .formats import check_writable, write_json
    from .report.gap import best_bound, gap_rows
    from .report.tables import gap_table

    limits = _limits(options)
    methods = [name.strip() for name in options.methods.split(",") if name.strip()]
    for name in methods:
        if name not in METHODS:
            raise OptionError(f"method {name!r}: choose from {', '.join(METHODS)}")
    if not methods:
        raise OptionError("--methods names none: the bound needs at least one")
    if options.json is not None:
        check_writable(options.json)
    instance = _read_instance(options)
    own = {f"map {path}": _own(path, instance) for path in options.map}
    results = [_run(instance, name, limits) for name in methods]
    bound, proofs = best_bound(results)
    objectives = {r.method: r.objective for r in results} | own
    rows = gap_rows(instance, objectives, {r.method: r.seconds for r in results}, bound, limits.gap)
    print(instance.describe())
    _print(gap_table(rows))
    counted = ", ".join(f"{proof} ({proofs.count(proof)})" for proof in dict.fromkeys(proofs))
    print(f"bound proved by (layers): {counted}")
    if options.json is not None:
        ids = list(instance.layer_ids)
        head = {"instance": instance.describe(), "mode": instance.mode, "layer_ids": ids}
        bounds = {"lower_bound": bound.tolist(), "bound_method": proofs}
        write_json(options.json, head | bounds | {"methods": _finite(rows)})


def _own(path: Path, instance: Any) -> Any:
    from .formats import read_map

    return read_map(path, instance.num_experts, instance.layer_ids).objective(instance)


def _demo(options: argparse.Namespace) -> None:
    from .formats import check_writable, write_json
    from .instance import Instance
    from .report.gap import best_bound, gap_rows
    from .report.tables import gap_table
    from .synthetic import MODELS, synthetic_load

    limits = _limits(options)
    if options.json is not None:
        check_writable(options.json)
    first = MODELS[DEMO_MODEL].first_layer
    load = synthetic_load(DEMO_MODEL, seed=options.seed)
    instance = Instance(load, num_replicas=288, num_ranks=32, layer_ids=range(first, first + load.shape[1]))
    print(f"synthetic loads, {DEMO_MODEL}, seed {options.seed} (lognormal, calibrated to recorded loads)")
    results = [_run(instance, method, limits) for method in ("greedy", "optimal")]
    _print_result(results[-1])
    bound, _ = best_bound(results)
    objectives, seconds = {r.method: r.objective for r in results}, {r.method: r.seconds for r in results}
    _print(gap_table(gap_rows(instance, objectives, seconds, bound, limits.gap)))
    if options.json is not None:
        write_json(options.json, results[-1].to_dict())


def _run(instance: Any, method: str, limits: Limits) -> Any:
    from .solver import solve

    with _progress(method) as progress:
        return solve(instance, method, limits, progress=progress)


@contextlib.contextmanager
def _progress(method: str) -> Iterator[Callable[[int, int], None]]:
    """A live line on a terminal, a line every few seconds elsewhere; both on standard error."""
    start = last = time.monotonic()
    terminal = sys.stderr.isatty()
    shown = False

    def progress(done: int, total: int) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if now - last >= (0.2 if terminal else 5.0):
            last, shown = now, True
            text = f"{method}: {done} of {total} layers optimal, {now - start:.0f} s"
            print(f"\r{text}\033[K" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)

    yield progress
    if terminal and shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _one_line_warnings() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"eplb-opt: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _print_result(result: Any) -> None:
    from .report.tables import layer_table, totals_lines

    print(f"{result.method}: {result.instance.describe()}")
    _print(layer_table(result))
    for line in totals_lines(result):
        print(line)


def _print(table: Any) -> None:
    from rich.console import Console

    from .report.tables import PIPE_WIDTH

    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(table)
    sys.stdout.flush()


def _finite(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in rows]


if __name__ == "__main__":
    sys.exit(main())
