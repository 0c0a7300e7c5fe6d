"""What the simulator must not forget: one SQLite database, in a file or in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gateway.simulator.subscription import Subscription
from gateway.simulator.transition import Transition

SCHEMA = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists subscription (
    id text primary key, customer_id text not null, body text not null) without rowid;
create index if not exists subscription_customer on subscription (customer_id);
create table if not exists transition (
    seq integer primary key, customer_id text not null, subscription_id text not null,
    failed integer not null, body text not null);
create index if not exists transition_customer on transition (customer_id);
create index if not exists transition_subscription on transition (subscription_id) where failed = 0;
create table if not exists license_event (
    seq integer primary key, customer_id text not null, body text not null);
create index if not exists license_event_customer on license_event (customer_id);
create table if not exists reply (key text primary key, body text not null) without rowid;
create table if not exists journal (seq integer primary key, body text not null, counters text not null);
"""


class Store:
    """Rows in and out; who calls holds the world's lock."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=10)
        # A killed process loses nothing in this mode: only the machine's own end could take the last commits.
        self._db.execute("pragma journal_mode=wal").close()
        self._db.execute("pragma synchronous=normal").close()
        self._db.executescript(SCHEMA).close()
        self._db.commit()
        self._last_transition = self._last_seq("transition")
        self._touched = self._customers_with_rows()

    def commit(self) -> None:
        if self._db.in_transaction:
            self._db.commit()

    def rollback(self) -> None:
        self._db.rollback()

    def close(self) -> None:
        self._db.close()

    def forget(self) -> None:
        """Drop everything but the settings and faults in force."""
        for table in ("subscription", "transition", "license_event", "reply", "journal"):
            self._db.execute(f"delete from {table}")  # noqa: S608  The names are in the line above.

    def _last_seq(self, table: str) -> int:
        row = self._db.execute(f"select max(seq) from {table}").fetchone()  # noqa: S608  A name of the schema.
        return int(row[0] or 0)

    def _customers_with_rows(self) -> set[str]:
        query = """select customer_id from subscription union select customer_id from transition
                   union select customer_id from license_event"""
        return {customer_id for (customer_id,) in self._db.execute(query)}

    def has_rows_of(self, customer_id: str) -> bool:
        """Tell whether anything is stored for a customer; most of a large catalog are never touched."""
        return customer_id.lower() in self._touched

    def get_meta(self, key: str) -> Any:
        row = self._db.execute("select value from meta where key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_meta(self, key: str, value: Any) -> None:
        self._db.execute("insert or replace into meta values (?, ?)", (key, json.dumps(value)))

    def save_subscription(self, subscription: Subscription) -> None:
        self._touched.add(subscription.customer_id.lower())
        row = (subscription.id.lower(), subscription.customer_id.lower(), subscription.to_json())
        self._db.execute("insert or replace into subscription values (?, ?, ?)", row)

    def list_subscriptions(self, customer_id: str) -> list[Subscription]:
        rows = self._db.execute("select body from subscription where customer_id = ?", (customer_id.lower(),))
        return sorted((Subscription.from_json(body) for (body,) in rows), key=lambda each: each.created_at)

    def add_transition(self, transition: Transition) -> None:
        self._last_transition += 1
        transition.seq = self._last_transition
        failed = transition.failure_code is not None
        customer_id = transition.customer_id.lower()
        self._touched.add(customer_id)
        row = (transition.seq, customer_id, transition.source_id, failed, transition.to_json())
        self._db.execute("insert into transition values (?, ?, ?, ?, ?)", row)

    def save_transition(self, transition: Transition) -> None:
        row = (transition.to_json(), transition.seq)
        self._db.execute("update transition set body = ? where seq = ?", row)

    def list_transitions(self, customer_id: str) -> list[Transition]:
        query = "select body from transition where customer_id = ? order by seq"
        return [Transition.from_json(body) for (body,) in self._db.execute(query, (customer_id.lower(),))]

    def all_transitions(self, after: int = 0, limit: int = -1) -> Iterator[Transition]:
        query = "select body from transition where seq > ? order by seq limit ?"
        for (body,) in self._db.execute(query, (after, limit)):
            yield Transition.from_json(body)

    def count_transitions(self) -> int:
        return int(self._db.execute("select count(*) from transition").fetchone()[0])

    def transitions_over_one(self) -> dict[str, int]:
        """Return how often each subscription was upgraded, for those upgraded more than once."""
        query = """select subscription_id, count(*) from transition where failed = 0
                   group by subscription_id having count(*) > 1"""
        return dict(self._db.execute(query).fetchall())

    def add_license_event(self, customer_id: str, event: dict[str, Any]) -> None:
        self._touched.add(customer_id.lower())
        row = (customer_id.lower(), json.dumps(event))
        self._db.execute("insert into license_event values (null, ?, ?)", row)

    def list_license_events(self, customer_id: str) -> list[dict[str, Any]]:
        query = "select body from license_event where customer_id = ? order by seq"
        return [json.loads(body) for (body,) in self._db.execute(query, (customer_id.lower(),))]

    def get_reply(self, key: str) -> dict[str, Any] | None:
        row = self._db.execute("select body from reply where key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def save_reply(self, key: str, reply: dict[str, Any]) -> None:
        self._db.execute("insert or replace into reply values (?, ?)", (key, json.dumps(reply)))

    def add_journal(self, seq: int, entry: dict[str, Any], counters: dict[str, int]) -> None:
        row = (seq, json.dumps(entry), json.dumps(counters))
        self._db.execute("insert into journal values (?, ?, ?)", row)

    def last_counters(self) -> dict[str, int]:
        row = self._db.execute("select counters from journal order by seq desc limit 1").fetchone()
        return {} if row is None else json.loads(row[0])

    def list_journal(self, after: int, limit: int) -> Iterable[dict[str, Any]]:
        rows = self._db.execute("select body from journal where seq > ? order by seq limit ?", (after, limit))
        return [json.loads(body) for (body,) in rows]
