"""Who has stopped the pool from a page may start it from there, and nobody else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from gateway.pool.intake import SettingsIntake
from gateway.pool.messages import ControlRequest
from gateway.pool.questions import Questions
from gateway.pool.start_permit import START_AGAIN, StartPermit, digest_of
from gateway.pool.verbs import Verbs
from tests.unit.pool.helpers import Pool, settings

SECRET = "a secret of the page"
ANNA = {"name": "anna", "account_id": "provider", "address": "192.0.2.7"}
BODY = b"csrf=x&permit=a+secret+of+the+page"


def request(method=b"POST", path=b"/provider/application-pool/start", body=BODY):
    return method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n" + body


@pytest.fixture
def posted():
    return []


@pytest.fixture
def permit(posted):
    return StartPermit(posted.append)


class TestTheRequest:
    def test_whoever_has_the_secret_starts_the_pool(self, permit, posted):
        permit.give(digest_of(SECRET), ANNA)

        answer = permit.answer(request())

        assert [(each.command, each.arguments) for each in posted] == [(START_AGAIN, {"by": ANNA})]
        assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head

    @pytest.mark.parametrize(
        "other",
        [
            request(body=b"permit=another"),
            request(body=b"permit="),
            request(body=b""),
            request(body=b"permit=" + digest_of(SECRET).encode()),
            request(method=b"GET"),
            request(path=b"/provider/application-pool/stop"),
            b"\xff\xfe",
        ],
    )
    def test_nobody_else_does(self, permit, posted, other):
        permit.give(digest_of(SECRET))

        assert permit.answer(other) is None
        assert posted == []

    @pytest.mark.parametrize("body", [BODY, b"permit="])
    def test_without_a_permit_nobody_does(self, permit, posted, body):
        assert permit.answer(request(body=body)) is None
        assert posted == []


class TestThePool:
    @pytest.fixture
    def pool(self, tmp_path):
        pool = Pool(tmp_path, settings(tmp_path))
        pool.start(settings(tmp_path))
        pool.make_serve(pool.newest)
        return pool

    @pytest.fixture
    def ask(self, pool, permit, tmp_path):
        (tmp_path / "Settings.config").write_text("<configuration/>")
        told: list[dict[str, Any]] = []
        verbs = Verbs(
            pool.machine,
            tmp_path / "Settings.config",
            intake=SettingsIntake(pool.machine, pool.events),
            questions=Questions(pool.machine, pool.timers),
            status=dict,
            end=lambda _: None,
            look_again=lambda: None,
            permit=permit,
        )

        def ask(command, **arguments):
            verbs.carry_out(ControlRequest(command, arguments, told.append))
            return told

        return ask

    def test_it_starts_once_it_has_stopped(self, pool, ask, permit):
        ask("stop", permit=digest_of(SECRET))
        ask(START_AGAIN)
        assert pool.state() == "Stopping"

        pool.exit(pool.newest)

        assert pool.state() == "Starting"
        assert not permit.is_given

    def test_it_is_known_who_started_it(self, pool, ask):
        ask("stop", permit=digest_of(SECRET), by=ANNA)
        pool.exit(pool.newest)

        ask(START_AGAIN, by=ANNA)

        started_by = pool.machine.record.started_by
        assert started_by is not None
        assert ANNA.items() <= started_by.items()
        assert datetime.fromisoformat(started_by["at"]).tzinfo is not None

    def test_a_stop_ends_that(self, pool, ask):
        ask("stop", permit=digest_of(SECRET), by=ANNA)
        pool.exit(pool.newest)
        ask(START_AGAIN, by=ANNA)

        ask("stop")

        assert pool.machine.record.started_by is None

    def test_a_stopped_one_starts_at_once(self, pool, ask):
        ask("stop", permit=digest_of(SECRET))
        pool.exit(pool.newest)

        ask(START_AGAIN)

        assert pool.state() == "Starting"

    def test_a_pool_that_runs_is_left_alone(self, pool, ask):
        told = ask(START_AGAIN)

        assert pool.state() == "Started"
        assert told == [{"ok": False, "problem": "the permit to start the pool was withdrawn"}]

    def test_a_stop_by_somebody_else_withdraws_the_permit(self, pool, ask, permit):
        ask("stop", permit=digest_of(SECRET))
        ask(START_AGAIN)
        ask("stop")
        pool.exit(pool.newest)

        assert pool.state() == "Stopped"
        assert not permit.is_given

    def test_a_start_by_somebody_else_uses_it_up(self, pool, ask, permit):
        ask("stop", permit=digest_of(SECRET))
        pool.exit(pool.newest)

        ask("start-pool")

        assert not permit.is_given
