"""The application is loaded without a search for garbage, and at leisure where there is no hurry."""

import gc
import os
import subprocess
import sys
import threading

import pytest

from gateway.pool.loading import AT_LEISURE, LEISURELY, at_leisure, without_collection


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


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own there")
def test_at_leisure_others_go_first_and_afterwards_it_is_as_usual():
    usual, found = niceness(), []

    at_leisure(lambda: found.append(niceness()))

    assert found == [min(usual + LEISURELY, 19)]
    assert niceness() == usual


def test_where_nothing_can_go_first_it_is_done_as_usual(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "setpriority", raising=False)
    done = []

    at_leisure(lambda: done.append(1))

    assert done == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own there")
def test_where_that_is_forbidden_it_is_done_as_usual(monkeypatch):
    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    done = []

    at_leisure(lambda: done.append(1))

    assert done == [1]


TELL = """
import gateway.pool.loading as loading, runpy

loading.at_leisure = lambda load: (print("at leisure"), load())
runpy.run_module("gateway.pool.worker_process", run_name="__main__", alter_sys=False)
"""


@pytest.mark.parametrize(("arguments", "told"), [([], ""), ([AT_LEISURE], "at leisure\n")])
def test_a_worker_that_is_not_needed_yet_loads_itself_at_leisure(arguments, told):
    command = [sys.executable, "-c", TELL, *arguments]

    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, told, "")
