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

_kernels: list[Any] = []  # every compiled function of this package, as numba's dispatchers
_decorating = threading.Lock()


def compiled(function: Callable[..., Any]) -> Any:
    """A function compiled at its first call; later processes read the machine code from numba's cache.

    numba caches beside the source, else in the user's cache folder. Where neither can be written (a read-only
    installation without a home folder), a folder of this user's own in the temporary one serves.
    """
    kernel = numba.njit(function)
    try:
        kernel.enable_caching()
    except RuntimeError:  # numba: no locator available
        _cache_elsewhere(kernel)
    _kernels.append(kernel)
    return kernel


def compilations() -> int:
    """How many functions this process has compiled so far because no cache held them."""
    return sum(sum(kernel.stats.cache_misses.values()) or _uncached(kernel) for kernel in list(_kernels))


@contextlib.contextmanager
def announced(announce: Callable[[], None]) -> Iterator[None]:
    """Call ``announce`` before the first compilation inside the block, if there is any."""

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
    folder = _private_folder()
    if folder is None:
        return
    config: Any = numba.config
    with _decorating:  # numba looks this setting up when a function's caching is enabled, and only then
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            with contextlib.suppress(RuntimeError):  # no cache then: every process compiles for itself
                kernel.enable_caching()
        finally:
            config.CACHE_DIR = before


def _private_folder() -> Path | None:
    """A folder that only this user can write, or None: what lies in a cache is run."""
    folder = Path(tempfile.gettempdir()) / f"eplb_opt-cache-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if is_ours else None
