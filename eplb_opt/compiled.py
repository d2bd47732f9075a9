"""numba's compiler as this package uses it: cached on disk wherever a folder can be written, and counted."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core import event

# Every compiled function of this package, as numba's dispatchers.
_kernels: list[Any] = []
_decorating = threading.Lock()


def compiled(function: Callable[..., Any]) -> Any:
    """A function compiled at its first call; later processes read the machine code from numba's cache.

    numba caches beside the source, else in the user's cache folder. Where neither can be written (a read-only
    installation without a home folder), a folder of this user's own in the temporary one serves.

    Parameters
    ----------
    function : callable
        What numba can compile in its nopython mode.

    Returns
    -------
    callable
        numba's dispatcher.
    """
    return _cached(numba.njit(function, nogil=True))  # so that threads run side by side


def inlined(function: Callable[..., Any]) -> Any:
    """As `compiled`, and written out in whatever compiled function calls it.

    For short loops over several arrays: numba hands over every array as seven numbers and more, which takes longer
    than the loop.

    Parameters
    ----------
    function : callable
        What numba can compile in its nopython mode.

    Returns
    -------
    callable
        numba's dispatcher.
    """
    return _cached(numba.njit(function, nogil=True, inline="always"))


def _cached(kernel: Any) -> Any:
    """A dispatcher of numba's, with its cache on disk."""
    try:
        kernel.enable_caching()
    except RuntimeError:  # numba: no locator available
        _cache_elsewhere(kernel)
    _kernels.append(kernel)
    return kernel


def compilations() -> int:
    """How many functions this process has compiled so far because no cache held them.

    Returns
    -------
    int
        A function counts once for each set of argument types.
    """
    total = 0
    kernels = tuple(_kernels)  # other threads may import more meanwhile
    for kernel in kernels:
        misses = sum(kernel.stats.cache_misses.values())
        total += misses or _uncached(kernel)
    return total


@contextlib.contextmanager
def announced(announce: Callable[[], None]) -> Iterator[None]:
    """Call ``announce`` before the first compilation inside the block, if there is any.

    Parameters
    ----------
    announce : callable without arguments
        Reading machine code from a cache does not call it.
    """

    class Listener(event.Listener):
        """Hears of numba's compilations; reading from the cache is none."""

        said = False

        def on_start(self, event: Any) -> None:
            if not self.said:
                self.said = True
                announce()

        def on_end(self, event: Any) -> None:
            """Nothing is said at the end."""

    with event.install_listener("numba:compile", Listener()):
        yield


def _uncached(kernel: Any) -> int:
    """Compilations of a kernel that has no cache at all."""
    return 0 if kernel.stats.cache_path else len(kernel.signatures)


def _cache_elsewhere(kernel: Any) -> None:
    """Cache a function in this user's folder among the temporary ones, if it may be used."""
    folder = _private_folder()
    if folder is None:
        return
    config: Any = numba.config
    with _decorating:  # numba looks this setting up when a function's caching is enabled, and only then
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            # No cache then: every process compiles for itself.
            with contextlib.suppress(RuntimeError):
                kernel.enable_caching()
        finally:
            config.CACHE_DIR = before


def _private_folder() -> Path | None:
    """A folder that only this user can write, or None: what lies in a cache is run."""
    folder = Path(tempfile.gettempdir()) / f"eplb_opt-cache-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return None
    is_closed_to_others = not state.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    is_ours = (
        stat.S_ISDIR(state.st_mode)
        and state.st_uid == os.getuid()
        and is_closed_to_others
    )
    return folder if is_ours else None
