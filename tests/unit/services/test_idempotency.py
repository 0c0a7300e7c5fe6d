from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.models import IdempotencyKey
from gateway.services import idempotency
from gateway.services.errors import (
    IdempotencyKeyReusedError,
    InvalidIdempotencyKeyError,
    RequestInProgressError,
)
from gateway.services.idempotency import Idempotency, StoredAnswer
from tests.factories import NOW
from tests.unit.services.helpers import PATIENCE, in_background
from tests.unit.services.test_races import wait_until_blocked

CALLER, KEY, HASH = "API key nightly", "5c7d1f8e-first", "a" * 64
ANSWER = StoredAnswer(202, "/api/v1/upgrade-batches/1", '{"id": 1}')


def answer(db, key=KEY, caller=CALLER, request_hash=HASH, now=NOW):
    """Serve one request to its end."""
    keys = Idempotency(db)
    found = keys.begin(caller, key, request_hash, now)
    if found is None:
        keys.complete(ANSWER.status, ANSWER.location, ANSWER.body)
    return found


class TestBegin:
    def test_the_first_request_goes_on(self, db):
        assert answer(db) is None

        row = db.scalars(select(IdempotencyKey)).one()
        assert (row.caller, row.key, row.request_hash, row.created_at) == (CALLER, KEY, HASH, NOW)
        assert StoredAnswer(row.status, row.location, row.body) == ANSWER

    def test_a_repetition_gets_the_same_answer(self, db):
        answer(db)

        assert answer(db) == answer(db) == ANSWER

    def test_keys_of_different_callers_never_meet(self, db):
        answer(db)

        assert answer(db, caller="API key hourly", request_hash="b" * 64) is None

    def test_another_request_with_the_same_key_is_refused(self, db):
        answer(db)

        with pytest.raises(IdempotencyKeyReusedError, match=KEY) as caught:
            answer(db, request_hash="b" * 64)

        assert caught.value.code == "idempotency_key_reused"

    def test_one_without_an_answer_is_still_being_worked_on(self, db):
        Idempotency(db).begin(CALLER, KEY, HASH, NOW)

        with pytest.raises(RequestInProgressError) as caught:
            Idempotency(db).begin(CALLER, KEY, HASH, NOW)

        assert caught.value.code == "request_in_progress"

    @pytest.mark.parametrize("key", ["x", "!~", "k" * 255])
    def test_a_key_is_visible_ascii(self, db, key):
        assert answer(db, key) is None
        assert answer(db, key) == ANSWER

    @pytest.mark.parametrize("key", ["", "k" * 256, "with space", "tab\t", "é", "nul\x00", "\x7f"])
    def test_others_are_refused(self, db, key):
        with pytest.raises(InvalidIdempotencyKeyError, match="visible ASCII") as caught:
            answer(db, key)

        assert caught.value.code == "invalid_idempotency_key"

    def test_long_names_of_callers_are_told_apart(self, db):
        one, other = "x" * 150, "x" * 149 + "y"
        answer(db, caller=one)

        assert answer(db, caller=other) is None
        assert answer(db, caller=one) == ANSWER

    def test_a_key_whose_request_was_rolled_back_is_free(self, database):
        with database.write_session() as db:
            answer(db)
            db.rollback()

        with database.write() as db:
            assert answer(db) is None


class TestTwoAtOnce:
    def test_the_second_waits_for_the_answer_of_the_first(self, database):
        def second():
            with database.write() as db:
                return answer(db)

        with database.write_session() as db:
            answer(db)
            with in_background(second) as future:
                wait_until_blocked(database)
                db.commit()
                assert future.result(PATIENCE) == ANSWER

    def test_the_second_goes_on_when_the_first_fails(self, database):
        def second():
            with database.write() as db:
                return answer(db)

        with database.write_session() as db:
            answer(db)
            with in_background(second) as future:
                wait_until_blocked(database)
                db.rollback()
                assert future.result(PATIENCE) is None

    def test_it_does_not_wait_for_ever(self, postgresql_database, monkeypatch):
        monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.05)
        with postgresql_database.write_session() as first, postgresql_database.write_session() as second:
            answer(first)

            with pytest.raises(RequestInProgressError):
                answer(second)

    def test_later_locks_are_waited_for_as_usual(self, postgresql_database):
        with postgresql_database.write() as db:
            before = db.connection().exec_driver_sql("SHOW lock_timeout").scalar()
            answer(db)
            assert db.connection().exec_driver_sql("SHOW lock_timeout").scalar() == before


class TestComplete:
    def test_it_needs_a_request_that_has_begun(self, db):
        with pytest.raises(RuntimeError, match="without a begin"):
            Idempotency(db).complete(200, None, None)


class TestPurge:
    def test_older_keys_are_forgotten(self, db):
        answer(db, "old", now=NOW - timedelta(hours=25))
        answer(db, "new")

        assert Idempotency(db).purge(NOW - timedelta(hours=24)) == 1

        assert db.scalars(select(IdempotencyKey.key)).all() == ["new"]
        assert answer(db, "old") is None
