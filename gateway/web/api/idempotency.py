"""A request that is repeated with its Idempotency-Key gets the same answer, and does nothing again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus

from pydantic import BaseModel
from pyramid.request import Request

from gateway.db import utcnow
from gateway.services.idempotency import Idempotency
from gateway.web.api.call import Answer

HEADER = "Idempotency-Key"


def once(request: Request, asked: BaseModel, work: Callable[[], Answer]) -> Answer:
    """Do the work, unless a request with this key has done it; what is raised is not kept.

    :raises GatewayError: if the key is malformed, belongs to another request, or to one that is not done
    """
    key = request.headers.get(HEADER)
    if key is None:
        return work()
    idempotency = Idempotency(request.db)
    stored = idempotency.begin(request.caller.name, key, _hash(request, asked), utcnow())
    if stored is not None:
        return Answer(stored.body or "", HTTPStatus(stored.status), stored.location, is_replayed=True)
    answer = work()
    idempotency.complete(answer.status, answer.location, answer.body)
    return answer


def _hash(request: Request, asked: BaseModel) -> str:
    """Of what was asked for, in whatever order and with whatever blanks it was written."""
    return hashlib.sha256(f"{request.method} {request.path}\n{asked.model_dump_json()}".encode()).hexdigest()
