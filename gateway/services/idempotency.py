"""Repeated requests: the same key gets the same answer, and nothing is done twice."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gateway.models import IdempotencyKey
from gateway.services.errors import (
    IdempotencyKeyReusedError,
    InvalidIdempotencyKeyError,
    RequestInProgressError,
)
from gateway.services.upsert import insert_into, is_postgresql

LONGEST_KEY = 255
LONGEST_CALLER = 100
WAIT_SECONDS = 10
"""How long a repetition waits for the first request, before it is told to come back."""

_LOCK_NOT_AVAILABLE = "55P03"


class StoredAnswer(NamedTuple):
    """What the first request was answered."""

    status: int
    location: str | None
    body: str | None


class Idempotency:
    """The key of one request. Key, answer and what the request did are one transaction."""

    def __init__(self, db: Session) -> None:
        self._db = db
        self._begun: IdempotencyKey | None = None

    def begin(self, caller_name: str, key: str, request_hash: str, now: datetime) -> StoredAnswer | None:
        """Return the answer that the key already got, or None for the first request, which goes on.

        A repetition that comes at the same time waits until the first transaction has ended.

        :param caller_name: unique for each caller; keys of different callers never meet
        :raises InvalidIdempotencyKeyError: if the key is not 1 to 255 visible ASCII characters
        :raises IdempotencyKeyReusedError: if the key belongs to a request with another hash
        :raises RequestInProgressError: if the first request has no answer yet; the transaction is of no use
            afterwards and must be rolled back
        """
        _check_key(key)
        row = IdempotencyKey(
            caller=_shortened(caller_name), key=key, request_hash=request_hash, created_at=now
        )
        if self._insert(row):
            self._begun = row
            return None
        return self._answer_of_first(row)

    def complete(self, status: int, location: str | None, body: str | None) -> None:
        """Keep the answer to the request that `begin` let go on."""
        if self._begun is None:
            raise RuntimeError("complete() without a begin() that returned None")
        self._db.execute(
            update(IdempotencyKey)
            .where(*_is_same(self._begun))
            .values(status=status, location=location, body=body)
        )

    def purge(self, before: datetime) -> int:
        """Forget keys that are older; return how many there were."""
        gone = delete(IdempotencyKey).where(IdempotencyKey.created_at < before).returning(IdempotencyKey.key)
        return len(self._db.execute(gone).all())

    def _insert(self, row: IdempotencyKey) -> bool:
        """Whether the row is new. PostgreSQL waits here for whoever has inserted it and not committed yet."""
        statement = (
            insert_into(self._db, IdempotencyKey)
            .values(caller=row.caller, key=row.key, request_hash=row.request_hash, created_at=row.created_at)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        )
        if not is_postgresql(self._db):
            return self._db.execute(statement).first() is not None
        self._db.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
        try:
            inserted = self._db.execute(statement).first() is not None
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise _in_progress(row.key) from error
        self._db.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
        return inserted

    def _answer_of_first(self, row: IdempotencyKey) -> StoredAnswer:
        columns = IdempotencyKey.request_hash, IdempotencyKey.status
        query = select(*columns, IdempotencyKey.location, IdempotencyKey.body).where(*_is_same(row))
        first = self._db.execute(query).one_or_none()
        if first is None or (first.request_hash == row.request_hash and first.status is None):
            raise _in_progress(row.key)
        if first.request_hash != row.request_hash:
            raise IdempotencyKeyReusedError(
                f"Idempotency-Key {row.key} belongs to another request; expected a new key for each request"
            )
        return StoredAnswer(first.status, first.location, first.body)


def _check_key(key: str) -> None:
    if not 1 <= len(key) <= LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        raise InvalidIdempotencyKeyError(
            f"Idempotency-Key {key[:40]!r} of {len(key)} characters is not valid;"
            f" expected 1 to {LONGEST_KEY} visible ASCII characters"
        )


def _shortened(caller_name: str) -> str:
    """Names that do not fit the column are told apart by their hash."""
    if len(caller_name) <= LONGEST_CALLER:
        return caller_name
    return hashlib.sha256(caller_name.encode()).hexdigest()


def _is_same(row: IdempotencyKey) -> tuple[ColumnElement[bool], ...]:
    return IdempotencyKey.caller == row.caller, IdempotencyKey.key == row.key


def _in_progress(key: str) -> RequestInProgressError:
    return RequestInProgressError(
        f"the first request with Idempotency-Key {key} is still being worked on; repeat it later"
    )
