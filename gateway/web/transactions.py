"""One transaction for each request: a returned response commits it, a raised error rolls it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid_tm import explicit_manager
from sqlalchemy.orm import Session
from zope.sqlalchemy.datamanager import STATUS_ACTIVE, STATUS_CHANGED

from gateway.engine import announce
from gateway.web.registry import BACKGROUND, DATABASE

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def db(request: Request) -> Session:
    """The request's session; it is opened by the first one who asks for it."""
    database = request.registry[DATABASE]
    reads = request.method in READING
    session: Session = database.read_session() if reads else database.write_session()
    zope.sqlalchemy.register(
        session,
        initial_state=STATUS_ACTIVE if reads else STATUS_CHANGED,
        transaction_manager=request.tm,
    )
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
