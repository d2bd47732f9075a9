"""Typed errors: every message names the offending value and the fix."""


class EplbError(Exception):
    """Base class of every error that eplb_opt raises on purpose."""


class InstanceError(EplbError, ValueError):
    """The loads, the topology or a map do not describe a placement problem."""


class OptionError(EplbError, ValueError):
    """A limit, a method name or a policy option is not one we know."""


class FormatError(EplbError, ValueError):
    """A file cannot be read, is truncated, or is in no known format."""


class SolverError(EplbError, RuntimeError):
    """A solver is missing, failed, or returned something that its own model forbids."""


class PolicyError(EplbError, RuntimeError):
    """A policy from outside cannot be loaded, raised, or returned no valid map."""


class FormatWarning(UserWarning):
    """A recording is incomplete, or is taken for something that it does not say."""
