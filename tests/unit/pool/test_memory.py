"""Memory of this process and of the machine, in KB."""

import ctypes
import subprocess
import sys

import pytest

from gateway.pool import memory
from gateway.pool.workers import child_options

HAS_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallinfo2")

THREADS_THAT_FREE = """
import ctypes, threading

class Figures(ctypes.Structure):
    _fields_ = [(f"field_{number}", ctypes.c_size_t) for number in range(10)]

def used():
    return libc.mallinfo2().field_7

def work():
    for size in range(512, 1024, 16):
        _ = [bytes(size) for _ in range(7)]
        del _
    freed.release()
    end.wait()

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Figures
freed, end = threading.Semaphore(0), threading.Event()
before = used()
for _ in range(50):
    threading.Thread(target=work).start()
for _ in range(50):
    freed.acquire()
print(used() - before)
end.set()
"""
"""Prints how many bytes cannot be used by others after fifty threads have given all of them back."""


def known(kilobytes):
    assert kilobytes is not None
    return kilobytes


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A control group with these figures in bytes."""
    monkeypatch.setattr(memory, "CGROUP", tmp_path)

    def make(limit, used):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")

    return make


def test_what_is_taken_is_counted_and_what_is_given_back_is_not():
    before = known(memory.private_memory())

    block = bytearray(64 << 20)
    block[:: 1 << 12] = b"x" * (len(block) >> 12)  # A page is there once it is written to.
    taken = known(memory.private_memory())
    del block

    assert 60_000 < taken - before < 80_000
    assert known(memory.private_memory()) < taken - 50_000


def test_the_machine_has_some_left():
    assert known(memory.free_memory()) > 1000


def test_a_control_group_may_leave_less_than_the_machine(group):
    group(3 << 20, 1 << 20)

    assert memory.free_memory() == 2048


def test_a_control_group_that_is_full_leaves_nothing(group):
    group(1 << 20, 2 << 20)

    assert memory.free_memory() == 0


def test_a_control_group_without_limit_leaves_what_the_machine_has(group):
    group("max", 1 << 20)

    assert known(memory.free_memory()) > 1000


@pytest.mark.skipif(not HAS_GLIBC, reason="it is glibc that keeps memory for threads")
def test_what_a_thread_of_a_worker_has_given_back_is_there_for_all():
    options = child_options() | {"process_group": None}

    done = subprocess.run(
        [sys.executable, "-c", THREADS_THAT_FREE], capture_output=True, check=True, **options
    )

    assert int(done.stdout) < 1_000_000
