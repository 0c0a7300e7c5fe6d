"""The application is loaded quickly, and gently where others serve."""

import gc
import os
import sys
import threading

import pytest

from gateway.pool.loading import NICENESS, load

linux = pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own elsewhere")


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.fixture(autouse=True)
def _thaw():
    yield
    gc.unfreeze()


@linux
@pytest.mark.parametrize(("gently", "more"), [(True, NICENESS), (False, 0)])
def test_only_what_loads_is_nice_and_only_where_others_serve(gently, more):
    usual = niceness()

    assert load(niceness, gently=gently) == max(usual, more)
    assert niceness() == usual


@pytest.mark.parametrize("gently", [True, False])
def test_no_garbage_is_looked_for_meanwhile_nor_among_what_was_loaded(gently):
    assert not load(gc.isenabled, gently=gently)

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


@pytest.mark.parametrize("gently", [True, False])
def test_what_goes_wrong_is_told(gently):
    def fail():
        raise ImportError("no such module")

    with pytest.raises(ImportError, match="no such module"):
        load(fail, gently=gently)

    assert gc.isenabled()
