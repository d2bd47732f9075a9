"""Placement algorithms of other projects, run from their own packages: nothing of them is copied here.

``python -m benchmarks.peers fetch`` unpacks the modules needed into ``.peers`` (not committed); a package that is
installed beside this one is used as it is. Every peer is optional. Not here: vllm-ascend's random policy, and its
STAIR, which is not in the version that is fetched; TensorRT-LLM, whose balancer is C++ within its CUDA library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import adapters
from .unpacked import PeerMissingError, root_of, version_of

__all__ = ["PEERS", "REPLANNERS", "Peer", "PeerMissingError"]


@dataclass(frozen=True)
class Peer:
    """A peer.

    Attributes
    ----------
    distribution, package : str
        Name on PyPI and to import.
    source : str
        The module that holds the algorithm.
    adapter : callable
        Imports the module and returns a function of the standard interface.
    """

    distribution: str
    package: str
    source: str
    adapter: Callable[[], Callable[..., Any]]

    def load(self) -> Callable[..., Any]:
        """The peer's algorithm behind the standard interface, or `PeerMissingError` that says why not."""
        root_of(self.package, self.distribution)
        try:
            return self.adapter()
        except ImportError as error:  # a library that the peer needs is not installed
            raise PeerMissingError(f"{self.distribution}: {error}") from error

    def version(self) -> str:
        """The version found."""
        return version_of(self.package, self.distribution)


PEERS = {
    "vllm": Peer("vllm", "vllm", "vllm.distributed.eplb.policy.default", adapters.vllm),
    "sglang-deepseek": Peer("sglang", "sglang", "sglang.srt.eplb.eplb_algorithms.deepseek", adapters.sglang_deepseek),
    "sglang-vec": Peer("sglang", "sglang", "sglang.srt.eplb.eplb_algorithms.deepseek_vec", adapters.sglang_vec),
    "sglang-elastic": Peer(
        "sglang", "sglang", "sglang.srt.eplb.eplb_algorithms.elasticity_aware", adapters.sglang_elastic
    ),
    "lmdeploy": Peer("lmdeploy", "lmdeploy", "lmdeploy.pytorch.nn.eplb", adapters.lmdeploy),
    "ascend-default": Peer(
        "vllm-ascend", "vllm_ascend", "vllm_ascend.eplb.core.policy.policy_default_eplb", adapters.ascend_default
    ),
    "ascend-flashlb": Peer(
        "vllm-ascend", "vllm_ascend", "vllm_ascend.eplb.core.policy.policy_flashlb", adapters.ascend_flashlb
    ),
}
# Those that look at the map in use, [layers, replicas], which they take after the ranks.
REPLANNERS = {
    "ascend-swift": Peer(
        "vllm-ascend", "vllm_ascend", "vllm_ascend.eplb.core.policy.policy_swift_balancer", adapters.ascend_swift
    ),
    "ascend-flashlb": Peer(
        "vllm-ascend", "vllm_ascend", "vllm_ascend.eplb.core.policy.policy_flashlb", adapters.ascend_flashlb_kept
    ),
}
