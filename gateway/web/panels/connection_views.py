"""Test connection: does Microsoft let this application instance in?"""

from __future__ import annotations

from pyramid.request import Request
from pyramid.response import Response

from gateway.db import utcnow
from gateway.engine import Report
from gateway.services.audit import Audit, AuditAction
from gateway.services.catalog_queries import CatalogQueries
from gateway.web.panels.navigating import instance_page
from gateway.web.panels.words import CONNECTION_OUTCOMES
from gateway.web.registry import CLIENTS, DATABASE, SETTINGS


def test_connection(request: Request) -> Response:
    """Microsoft is asked before the transaction begins that writes and keeps others waiting.

    The answer to the form is the page itself: asking again changes nothing, and nothing has to be kept.
    """
    with request.registry[DATABASE].read() as db:
        instance = CatalogQueries(db, request.caller).application_instance(request.matchdict["instance_id"])
        name = instance.name
    if request.registry[SETTINGS].instance(name) is None:
        return instance_page(request)
    report: Report = request.registry[CLIENTS].try_connection(name)
    Audit(request.db).record(
        AuditAction.CONNECTION_TESTED,
        request.caller.actor,
        utcnow(),
        subject=f"instance {name}",
        detail=CONNECTION_OUTCOMES[report.outcome],
    )
    return instance_page(request, report=report, outcomes=CONNECTION_OUTCOMES)
