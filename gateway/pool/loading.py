"""Loads the application: quickly, and without taking the processor away from workers that serve."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

NICENESS = 5
"""Where the processor is short, a third of the share of a thread that serves."""


def load(make: Callable[[], T], *, gently: bool) -> T:
    """Return what `make` returns; `gently`: others serve meanwhile, and shall not notice.

    Of a process that may not take its own niceness back, only a thread of its own can be nice for a while.
    """
    with _without_collection():
        if not gently:
            return make()
        with ThreadPoolExecutor(1, "loading", initializer=_be_nice) as executor:
            return executor.submit(make).result()


def _be_nice() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Look for no garbage among modules and classes: there is none, and it would be a fifth of the time.

    What is there at the end stays for the life of the worker, so later searches leave it out as well.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
