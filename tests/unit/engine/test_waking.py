"""Who has something to do for the engines wakes them, in this process, in another, and on another node."""

import os
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.engine.doorbell import STALE, Doorbell
from gateway.engine.listening import Listening, announce
from tests.unit.services.helpers import PATIENCE

SILENCE = 0.2
"""Seconds after which what was not heard will not be."""


class Ear:
    """Counts what it hears."""

    def __init__(self):
        self._heard = threading.Semaphore(0)
        self.listening: Listening | None = None

    def __call__(self):
        self._heard.release()

    def hears(self, within=PATIENCE):
        return self._heard.acquire(timeout=within)

    def forget(self):
        while self.hears(SILENCE):
            pass


class TestDoorbell:
    def test_all_others_hear_it(self, make_bell):
        first, second, mine = Ear(), Ear(), Ear()
        make_bell(first)
        make_bell(second)

        make_bell(mine).ring()

        assert first.hears()
        assert second.hears()
        assert not mine.hears(SILENCE)

    def test_one_may_ring_without_listening(self, make_bell):
        ear = Ear()
        make_bell(ear)

        make_bell().ring()

        assert ear.hears()

    def test_nobody_there_is_no_error(self, make_bell):
        make_bell().ring()

    def test_what_was_left_by_the_dead_is_not_in_the_way(self, make_bell, folder):
        folder.mkdir()
        (folder / "1-left-by-the-dead").touch()
        (folder / "not a bell").touch()
        ear = Ear()
        make_bell(ear)

        make_bell().ring()

        assert ear.hears()

    def test_what_was_left_long_ago_is_cleared_up(self, make_bell, folder):
        folder.mkdir()
        old, new = folder / "1-old", folder / "2-new"
        for path in (old, new):
            path.touch()
        os.utime(old, (0, time.time() - 2 * STALE))

        make_bell(Ear())

        assert not old.exists()
        assert new.exists()

    def test_it_is_gone_when_it_is_closed(self, make_bell, folder):
        bell = make_bell(Ear())

        bell.close()

        assert not list(folder.iterdir())

    def test_where_no_file_can_be_left_it_is_not_heard(self, make_bell, folder):
        folder.write_text("not a folder")

        assert not make_bell(Ear()).is_heard

    @pytest.fixture
    def folder(self, tmp_path):
        return tmp_path / "gateway.db-bells"

    @pytest.fixture
    def make_bell(self, tmp_path):
        made = []

        def make_bell(on_ring=None):
            made.append(Doorbell(Path(tmp_path / "gateway.db")))
            if on_ring is not None:
                made[-1].listen(on_ring)
            return made[-1]

        yield make_bell
        for bell in made:
            bell.close()


class TestListening:
    def test_what_is_committed_is_heard_and_nothing_before(self, postgresql_database, ear):
        with postgresql_database.write_session() as db:
            announce(db)
            db.flush()
            assert not ear.hears(SILENCE)
            db.commit()

        assert ear.hears()

    def test_what_is_rolled_back_is_not_heard(self, postgresql_database, ear):
        with postgresql_database.write_session() as db:
            announce(db)
            db.rollback()

        assert not ear.hears(SILENCE)

    def test_it_hears_others_and_not_itself(self, postgresql_database, ear, make_listening):
        ear.listening.ring()
        assert not ear.hears(SILENCE)

        make_listening("other:two").ring()

        assert ear.hears()

    def test_it_says_so_when_the_connection_breaks_and_listens_again(
        self, postgresql_database, ear, make_listening, monkeypatch
    ):
        monkeypatch.setattr("gateway.engine.listening.FIRST_PAUSE", 0.01)
        with postgresql_database.write() as db:
            db.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
                )
            )

        assert ear.hears()  # It broke.
        assert ear.hears()  # It is back.
        make_listening("other:two").ring()
        assert ear.hears()

    @pytest.fixture
    def ear(self, make_listening):
        ear = Ear()
        ear.listening = make_listening("node:one")
        ear.listening.listen(ear)
        assert ear.hears()  # It has begun.
        return ear

    @pytest.fixture
    def make_listening(self, postgresql_database):
        made = []

        def make_listening(speaker):
            made.append(Listening(postgresql_database, speaker))
            return made[-1]

        yield make_listening
        for each in made:
            each.close()
            if each._thread is not None:
                each._thread.join(PATIENCE)
