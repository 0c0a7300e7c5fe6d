"""The application is loaded without a search for garbage, and at leisure where there is no hurry."""

import gc
import os

import pytest

from gateway.pool.loading import at_leisure, without_collection


@pytest.fixture(autouse=True)
def _thaw():
    yield
    gc.unfreeze()


def test_no_garbage_is_looked_for_meanwhile_nor_among_what_was_loaded():
    with without_collection():
        assert not gc.isenabled()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_garbage_is_looked_for_again_after_a_mistake():
    with pytest.raises(ImportError), without_collection():
        raise ImportError("no such module")

    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="the system has no such thing")
def test_the_usual_way_to_be_scheduled_comes_back():
    usual = os.sched_getscheduler(0)

    with at_leisure():
        assert os.sched_getscheduler(0) == os.SCHED_BATCH

    assert os.sched_getscheduler(0) == usual


def test_without_a_way_to_be_at_leisure_it_is_done_as_usual(monkeypatch):
    monkeypatch.delattr(os, "SCHED_BATCH", raising=False)
    done = []

    with at_leisure():
        done.append(1)

    assert done == [1]
