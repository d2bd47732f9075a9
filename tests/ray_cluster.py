"""A real Ray cluster of two nodes on this machine: ``python -m tests.ray_cluster`` (needs the extra ``ray``).

The map and the report are those of processes of this machine, also where a node is killed with a task at work, which is
then done again on the other node.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from eplb_opt import Instance, Limits, solve
from eplb_opt.executors.handover import timed_run
from eplb_opt.executors.on_ray import RETRIES, RayExecutor

from .merging.reports import without_times

LIMITS = Limits(seconds=None, work=0.02, gap=1e-4, workers=2)
PATIENCE = 60.0  # seconds for a task to be at work on the node that is killed


class Noting(RayExecutor):
    """A cluster whose tasks note on which node they begin and end, in a file that all nodes of this machine see."""

    def __init__(self, address: str, notes: Path) -> None:
        super().__init__(address)
        self.notes = notes

    def check(self) -> None:
        super().check()
        import ray

        notes = self.notes

        def noted_run(method, task):
            node = ray.get_runtime_context().get_node_id()
            with notes.open("a") as file:
                file.write(f"begins {node}\n")
            found = timed_run(method, task)
            with notes.open("a") as file:
                file.write(f"ends {node}\n")
            return found

        self._run = ray.remote(max_retries=RETRIES)(noted_run)

    def count(self, word: str, node: str = "") -> int:
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return sum(line.startswith(f"{word} {node}") for line in lines)


def kill_at_work(cluster, node, executor: Noting) -> threading.Thread:
    """Kill a node as soon as a task is at work on it."""

    def wait() -> None:
        end = time.monotonic() + PATIENCE
        while executor.count("begins", node.node_id) == executor.count("ends", node.node_id):
            if time.monotonic() > end:
                return
            time.sleep(0.001)
        cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def main() -> None:
    """Solve here, on the cluster, and on the cluster with a node killed; fail where the results differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12, help="default: %(default)s")
    options = parser.parse_args()
    import ray
    from ray.cluster_utils import Cluster

    load = np.random.default_rng(1).lognormal(0, 1, (options.layers, 16)).round(3)
    instance = Instance(load, 24, num_ranks=8)
    here = without_times(solve(instance, "optimal", LIMITS).to_dict())
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for with_loss in (False, True):
            executor = Noting(cluster.address, Path(folder, str(with_loss)))
            executor.check()
            thread = kill_at_work(cluster, node, executor) if with_loss else None
            there = without_times(solve(instance, "optimal", LIMITS, executor=executor).to_dict())
            if thread is not None:
                thread.join()
            begun, ended = executor.count("begins"), executor.count("ends")
            is_good = there == here and (begun > ended) == with_loss
            bad += not is_good
            said = "a node killed with a task at work" if with_loss else "no node killed"
            result = "the same result" if there == here else "ANOTHER RESULT"
            print(f"{said}: {ended} tasks ended, {begun - ended} lost and done again, {result}")
    ray.shutdown()
    cluster.shutdown()
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
