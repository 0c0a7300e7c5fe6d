import threading
from queue import Queue

import pytest

from gateway.engine.clerk import Clerk
from tests.unit.services.helpers import PATIENCE


@pytest.fixture
def worked():
    return Queue()


@pytest.fixture
def clerk(worked):
    clerk = Clerk(lambda: worked.put(threading.current_thread()), "clerk")
    yield clerk
    clerk.end()


def test_one_thread_works_whenever_it_is_called(clerk, worked):
    clerk.call()
    first = worked.get(timeout=PATIENCE)
    clerk.call(0.001)

    assert worked.get(timeout=PATIENCE) is first
    assert first.name == "clerk"
    assert first.daemon


def test_at_the_end_what_it_was_called_for_is_done(clerk, worked):
    clerk.call()
    clerk.call()

    clerk.end()

    assert worked.qsize() == 2
    assert not worked.get_nowait().is_alive()


def test_it_works_again_after_its_end(clerk, worked):
    clerk.call()
    clerk.end()
    former = worked.get_nowait()

    clerk.call()

    assert worked.get(timeout=PATIENCE) is not former


def test_it_may_end_before_it_was_called(clerk, worked):
    clerk.end()

    assert worked.empty()
