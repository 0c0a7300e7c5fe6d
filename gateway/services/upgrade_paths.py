"""What Microsoft upgrades an offer to, remembered for a day."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.models import OfferPath
from gateway.services.upsert import insert_into

log = logging.getLogger(__name__)

MAXIMUM_AGE = timedelta(hours=24)
"""After that Microsoft is asked again; what it said before counts only while it cannot be asked."""

PAUSE_AFTER_FAILURE = timedelta(minutes=1)

Ask = Callable[[str, str], Sequence[str] | None]
"""Asks Microsoft: application instance id and offer id in, target offers out; None if it did not answer."""

_Key = tuple[str, str, str]


class Answer(NamedTuple):
    """What Microsoft said and when; `target_offer_ids` is None when it could not be asked."""

    target_offer_ids: frozenset[str] | None
    asked_at: datetime

    def is_younger_than(self, age: timedelta, now: datetime) -> bool:
        return now - self.asked_at < age


class Answers:
    """The newest answer for each offer. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[_Key, Answer] = {}

    def get(self, key: _Key) -> Answer | None:
        with self._lock:
            return self._answers.get(key)

    def put(self, key: _Key, answer: Answer) -> None:
        with self._lock:
            self._answers[key] = answer


PROCESS_ANSWERS = Answers()
"""Remembers failures, and what was asked in a transaction that only reads and so cannot keep it."""


class UpgradePaths:
    """Upgrade paths, from the table where they are fresh, else from Microsoft.

    Asking takes time, in which a writing transaction would keep others waiting. Whoever is about to write
    asks first in a transaction that reads: the process remembers the answers, and the writing one finds
    and stores them.
    """

    def __init__(self, db: Session, ask: Ask, answers: Answers = PROCESS_ANSWERS) -> None:
        self._db = db
        self._ask = ask
        self._answers = answers
        bind = db.get_bind()
        self._address = bind.engine.url.render_as_string(hide_password=True)
        self._writes = bool(bind.get_execution_options().get("gateway_writes"))

    def target_offer_ids(self, instance_id: str, offer_id: str, now: datetime) -> frozenset[str] | None:
        """Return the offers that this one can be upgraded to; None when that is not known."""
        stored = self._stored(instance_id, offer_id)
        if stored is not None and stored.is_younger_than(MAXIMUM_AGE, now):
            return stored.target_offer_ids
        answer = self._remembered(instance_id, offer_id, now) or self._asked(instance_id, offer_id, now)
        if answer.target_offer_ids is None:
            return stored.target_offer_ids if stored is not None else None
        self._store(instance_id, offer_id, answer)
        return answer.target_offer_ids

    def refresh(self, instance_id: str, offer_ids: Iterable[str], now: datetime) -> None:
        """Ask Microsoft now, however young the stored answers are; those stay where it does not answer."""
        for offer_id in offer_ids:
            answer = self._asked(instance_id, offer_id, now)
            if answer.target_offer_ids is not None:
                self._store(instance_id, offer_id, answer)

    def _stored(self, instance_id: str, offer_id: str) -> Answer | None:
        columns = select(OfferPath.target_offer_ids, OfferPath.read_at)
        row = self._db.execute(
            columns.where(OfferPath.application_instance_id == instance_id, OfferPath.offer_id == offer_id)
        ).one_or_none()
        return Answer(frozenset(row.target_offer_ids), row.read_at) if row else None

    def _remembered(self, instance_id: str, offer_id: str, now: datetime) -> Answer | None:
        answer = self._answers.get(self._key(instance_id, offer_id))
        if answer is None:
            return None
        age = PAUSE_AFTER_FAILURE if answer.target_offer_ids is None else MAXIMUM_AGE
        return answer if answer.is_younger_than(age, now) else None

    def _asked(self, instance_id: str, offer_id: str, now: datetime) -> Answer:
        offers = self._ask(instance_id, offer_id)
        answer = Answer(None if offers is None else frozenset(offers), now)
        self._answers.put(self._key(instance_id, offer_id), answer)
        log.info(
            "Upgrade paths asked: instance=%s offer=%s targets=%s",
            instance_id,
            offer_id,
            "unknown" if offers is None else len(offers),
        )
        return answer

    def _store(self, instance_id: str, offer_id: str, answer: Answer) -> None:
        if not self._writes or answer.target_offer_ids is None:
            return
        values = {"target_offer_ids": sorted(answer.target_offer_ids), "read_at": answer.asked_at}
        key = {"application_instance_id": instance_id, "offer_id": offer_id}
        statement = insert_into(self._db, OfferPath).values(**key, **values)
        self._db.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))

    def _key(self, instance_id: str, offer_id: str) -> _Key:
        """Answers are of one database, since another one may call another partner account by the same id."""
        return self._address, instance_id, offer_id
