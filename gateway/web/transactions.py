"""One transaction for each request: a returned response commits it, a raised error rolls it back.

That of a request that only reads is never committed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid_tm import explicit_manager
from sqlalchemy.orm import Session
from transaction.interfaces import IDataManager
from zope.interface import implementer

from gateway.engine import announce
from gateway.web.registry import BACKGROUND, DATABASE

READING = frozenset({"GET", "HEAD", "OPTIONS"})


@implementer(IDataManager)
class SessionInTransaction:
    """Has a session commit or roll back with the request's transaction.

    It stands for zope.sqlalchemy, which loads the driver of every database that is installed: a tenth of a
    worker's start on SQLite.
    """

    def __init__(self, session: Session, manager: Any) -> None:
        self._session = session
        self.transaction_manager = manager
        manager.get().join(self)

    def tpc_begin(self, _: object) -> None:
        self._session.flush()

    def commit(self, _: object) -> None:
        """Everything is with the database already."""

    def tpc_vote(self, _: object) -> None:
        """The last one who may refuse; a database decides that by its commit."""
        self._session.commit()

    def tpc_finish(self, _: object) -> None:
        self._session.close()

    def tpc_abort(self, _: object) -> None:
        self._session.close()

    def abort(self, _: object) -> None:
        self._session.close()

    def sortKey(self) -> str:  # noqa: N802 -- the transaction calls it so.
        return "~session"  # Behind all others, who can still go back.


def db(request: Request) -> Session:
    """The request's session; it is opened by the first one who asks for it."""
    database = request.registry[DATABASE]
    session: Session
    if request.method in READING:
        session = database.read_session()
    else:
        session = database.write_session()
        SessionInTransaction(session, request.tm)
    request.add_finished_callback(lambda _request: session.close())
    return session


def now(request: Request) -> datetime:
    """The time as all nodes have it, for what the engine or another node reads."""
    found: datetime = request.registry[DATABASE].clock()
    return found


def after_commit(request: Request, action: Callable[[], object]) -> None:
    """Do something once everybody can see what the request changed; nothing if it is rolled back."""

    def act(committed: bool) -> None:
        if committed:
            action()

    request.tm.get().addAfterCommitHook(act)


def wake_engine_after_commit(request: Request) -> None:
    """Let the engines of all workers and nodes look at their queue now, instead of at their next round."""
    announce(request.db)
    after_commit(request, request.registry[BACKGROUND].wake)


def includeme(config: Configurator) -> None:
    config.add_settings({"tm.annotate_user": False, "tm.manager_hook": explicit_manager})
    config.include("pyramid_tm")
    config.add_request_method(db, reify=True)
    config.add_request_method(now, reify=True)
    config.add_request_method(after_commit)
    config.add_request_method(wake_engine_after_commit)
