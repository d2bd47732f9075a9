"""A pytest plug-in for vLLM's own tests: our policy in place of the class that they import."""

from vllm.distributed.eplb import policy
from vllm.plugins import load_general_plugins

load_general_plugins()  # finds eplb_opt by its entry point, as vLLM does
policy.default.DefaultEplbPolicy = policy.EPLB_POLICIES["default"]
assert policy.default.DefaultEplbPolicy.__name__ == "EplbOptPolicy"
