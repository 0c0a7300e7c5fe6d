"""Memory of this process and of the machine, in KB."""

import pytest

from gateway.pool import memory


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
