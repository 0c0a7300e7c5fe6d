"""Ways to load the application: quickly, and while there is no hurry."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

AT_LEISURE = "--at-leisure"
"""Tells a new worker process that it is not needed yet."""

LEISURELY = 5
"""A niceness: a third of the processor time of each other that wants some."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Look for no garbage among modules and classes: there is none, and it would be a fifth of the time.

    What is there at the end stays for the life of the worker, so later searches leave it out as well.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def at_leisure(load: Callable[[], object]) -> None:
    """Do it in a thread that leaves the processor to others first, where a thread can have a priority.

    It could not be raised again; so the thread ends with what it does, and all others keep theirs.
    """
    thread = threading.Thread(target=_after, args=(_step_back, load), name="at-leisure")
    thread.start()
    thread.join()


def _after(first: Callable[[], None], then: Callable[[], object]) -> None:
    first()
    then()


def _step_back() -> None:
    if sys.platform == "linux":  # Elsewhere it would be the priority of the whole process.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + LEISURELY)
