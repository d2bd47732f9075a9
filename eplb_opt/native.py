"""Native solvers in a thread of their own: they leave nothing behind, and an interrupt need not wait for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_own_thread(call: Callable[[], T], cancel: Callable[[], object]) -> T:
    """Run a call in a new thread and wait for it.

    A native solver keeps state a thread (HiGHS its scheduler, with the number of threads that came first): here it
    neither meets what the caller's thread has set, nor leaves any. An interrupt reaches the waiting thread at once; the
    solver is then told to stop, and its answer is lost.

    Parameters
    ----------
    call : callable without arguments
    cancel : callable without arguments
        Asks the solver to stop soon; called from the waiting thread.

    Returns
    -------
    object
        What the call returned.

    Raises
    ------
    BaseException
        What the call raised.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # whatever it is, the waiting thread raises it
            answer.set_exception(error)

    # No daemon: the process may end only after the solver, whose native frames cannot be unwound.
    thread = threading.Thread(target=run, name="eplb_opt solver")
    try:
        thread.start()
        return answer.result()
    finally:
        if not answer.done():
            cancel()
