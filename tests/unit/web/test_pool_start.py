"""The start of a pool on its page comes into the audit log when a worker serves again."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.models import AuditEntry
from gateway.web.registry import POOL_STATUS, SERVING

BY = {"at": "2026-11-23T06:01:02.345Z", "name": "anna", "account_id": "reseller", "address": "192.0.2.7"}


def test_it_is_recorded_in_the_name_of_who_did_it(serve, entries):
    serve(BY)

    (entry,) = entries()
    assert (entry.action, entry.actor, entry.address) == ("pool_started", "anna", "192.0.2.7")
    assert entry.at.isoformat() == "2026-11-23T06:01:02.345000+00:00"
    assert entry.subject.startswith("application pool Office365Gateway on ")


def test_later_workers_do_not_record_it_again(serve, entries):
    serve(BY)
    serve(BY)

    assert len(entries()) == 1


def test_another_start_is_another_entry(serve, entries):
    serve(BY)
    serve(BY | {"at": "2026-11-23T07:00:00.000Z"})

    assert len(entries()) == 2


def test_a_start_by_command_is_none(serve, entries):
    serve(None)

    assert entries() == []


def test_a_worker_serves_also_when_it_cannot_be_recorded(serve, entries, caplog):
    serve(BY | {"account_id": "nobody"})

    assert entries() == []
    assert "Start of the pool not recorded: actor=anna" in caplog.text


@pytest.fixture
def serve(router, world):
    def serve(by):
        router.registry[POOL_STATUS].update(name="Office365Gateway", started_by=by)
        router.registry[SERVING]()

    return serve


@pytest.fixture
def entries(db):
    def entries():
        db.expire_all()
        return list(db.scalars(select(AuditEntry).where(AuditEntry.action == "pool_started")))

    return entries
