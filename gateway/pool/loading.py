"""Ways to load the application: quickly, and while there is no hurry."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


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


@contextmanager
def at_leisure() -> Iterator[None]:
    """Leave the processor to others first, where the system allows to take that back."""
    if not hasattr(os, "SCHED_BATCH"):
        yield
        return
    usual = os.sched_getscheduler(0)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, usual, os.sched_param(0))
