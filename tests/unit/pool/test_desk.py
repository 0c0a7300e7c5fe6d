"""What pages see of the pool's history, and how they reach the pool."""

from __future__ import annotations

from functools import partial

import pytest

from gateway.pool.desk import PoolDesk
from gateway.pool.errors import FileChangedError, PoolError, PoolNotRunningError
from gateway.pool.recycles import recycles_of
from tests.factories import NOW
from tests.pools import LIMIT, TEXT, StandInPool

CHANGES = [{"key": LIMIT, "old": "10", "new": "20"}]


def recycle(number=5079, reason="on demand", **more):
    return {"at": "2026-11-23T09:00:00Z", "id": number, "reason": reason, **more}


def serves(seconds, reason="on demand"):
    return {"id": 9012, "reason": reason, "seconds": seconds}


class TestRecycles:
    def test_each_lasts_until_the_last_of_its_workers_serves(self):
        events = [recycle(), serves(0.3), serves(0.5), recycle(5080, "configuration change", changes=CHANGES)]

        first, second = recycles_of(events)

        assert (first["reason"], first["seconds"], first["problem"]) == ("on demand", 0.5, None)
        assert (second["changes"], second["seconds"]) == (CHANGES, None)

    def test_a_worker_that_starts_for_another_reason_is_not_its_own(self):
        (found,) = recycles_of([serves(9), recycle(), serves(1.5, "restart after a failure")])

        assert found["seconds"] is None

    @pytest.mark.parametrize("number", [5093, 9013])
    def test_one_that_failed_says_why(self, number):
        (found,) = recycles_of([recycle(), {"id": number, "reason": "it ended with 1"}])

        assert (found["seconds"], found["problem"]) == (None, "it ended with 1")

    def test_a_failure_after_it_is_not_its_own(self):
        (found,) = recycles_of([recycle(), serves(0.3), {"id": 9013, "reason": "later"}])

        assert (found["seconds"], found["problem"]) == (0.3, None)


class TestTheDesk:
    @pytest.fixture
    def pool(self, tmp_path):
        return StandInPool(tmp_path, NOW)

    def test_a_pool_that_does_not_run_is_an_error(self, tmp_path):
        with pytest.raises(PoolNotRunningError):
            PoolDesk(tmp_path).status()

    def test_a_pool_that_is_silent_is_an_error(self, tmp_path):
        with pytest.raises(PoolError, match="not answered within 5 s"):
            PoolDesk(tmp_path, lambda *_: None).recycle()

    def test_a_stop_is_not_waited_for(self, tmp_path):
        assert PoolDesk(tmp_path, lambda *_, **__: None).stop({})

    def test_what_is_refused_at_once_is_an_error(self, pool):
        pool.problem = "the pool is Stopped"
        for act in (partial(pool.desk.stop, {}), pool.desk.recycle):
            with pytest.raises(PoolError, match="the pool is Stopped"):
                act()

    def test_it_saves_several_values_at_once(self, pool):
        _, digest = pool.desk.settings_file()

        changes = pool.desk.save({LIMIT: "20", "LOG_LEVEL": "DEBUG"}, digest)

        assert [(each.key, each.old, each.new) for each in changes] == [
            ("LOG_LEVEL", "INFO", "DEBUG"),
            (LIMIT, "10", "20"),
        ]
        assert pool.limit() == 20

    def test_nothing_is_written_when_one_value_is_bad(self, pool):
        _, digest = pool.desk.settings_file()

        with pytest.raises(PoolError, match="LOG_LEVEL"):
            pool.desk.save({LIMIT: "20", "LOG_LEVEL": "LOUD"}, digest)

        assert pool.config.read_text() == TEXT

    def test_it_does_not_save_over_a_second_file_that_has_changed(self, pool, tmp_path):
        pool.save(TEXT.replace("<appSettings>", '<appSettings file="Second.config">'))
        second = tmp_path / "Second.config"
        second.write_text('<appSettings><add key="LOG_LEVEL" value="INFO" /></appSettings>')
        _, digest = pool.desk.settings_file()
        second.write_text('<appSettings><add key="LOG_LEVEL" value="DEBUG" /></appSettings>')

        with pytest.raises(FileChangedError):
            pool.desk.save({LIMIT: "20"}, digest)

        assert pool.limit() == 10

    def test_without_the_key_of_the_pool_nothing_is_compared(self, pool):
        (pool.var / "control.key").unlink()

        with pytest.raises(PoolError, match="key cannot be read"):
            pool.desk.settings_file()
