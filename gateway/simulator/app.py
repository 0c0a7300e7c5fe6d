"""The WSGI application: takes a request through faults, login, throttling, work, journal and answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.simulator import control
from gateway.simulator.configuration import Configuration
from gateway.simulator.environ import encode, read_request, send
from gateway.simulator.faults import Fault, Stage
from gateway.simulator.login import authenticate
from gateway.simulator.messages import BOM, ConnectionCutError, Request, Response, ServiceFaultError
from gateway.simulator.outcome import busy
from gateway.simulator.routing import Route, find_route
from gateway.simulator.world import World, WorldOptions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

LONGEST_HANG_SECONDS = 600.0
SLICE_SECONDS = 0.05
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"


def utc_now() -> datetime:
    return datetime.now(UTC)


def make_app(
    catalog: Path | str | None = None,
    *,
    state: Path | str | None = None,
    configuration: Configuration | None = None,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] | None = None,
) -> Simulator:
    """Return the simulator as a WSGI application.

    `catalog` is a catalog file or a folder of them, `state` a SQLite file (memory when None). With `now`
    of its own a test moves the clock, and `sleep` takes the place of waiting before an answer.
    """
    options = WorldOptions(
        catalog=Path(catalog) if catalog is not None else None,
        state=Path(state) if state is not None else None,
        configuration=configuration or Configuration(),
        now=now,
    )
    return Simulator(World(options), sleep)


class Simulator:
    """Serves one world; `close` it when done."""

    def __init__(self, world: World, sleep: Callable[[float], None] | None = None) -> None:
        self.world = world
        self._sleep = sleep
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let every answer that is held back go now."""
        self._stopping.set()

    def close(self) -> None:
        self.stop()
        self.world.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = read_request(environ)
        if request.path.startswith(control.PREFIX):
            with self.world.lock:
                response = control.answer(self.world, request)
        else:
            response = self._serve(request)
        return send(response, request, self.world.configuration, start_response)

    def _serve(self, request: Request) -> Response:
        found = find_route(request.method, request.path)
        route = None
        if found is not None:
            route, request.params = found
            request.kind = route.kind
        self._pause(request, self.world.configuration.response_delay)
        with self.world.lock:
            before = self.world.faults.fire(Stage.BEFORE, request)
        for fault in before:
            if fault.action in ("delay", "hang_before"):
                self._pause(request, fault.options["seconds"])
        with self.world.lock:
            response, after = self._work_and_note(route, request, before)
        if response is None:
            raise ConnectionCutError
        self._hold_back(request, response)
        return self._spoil(request, response, after)

    def _work_and_note(
        self, route: Route | None, request: Request, before: list[Fault]
    ) -> tuple[Response | None, list[Fault]]:
        """Answer, write the journal and commit, as one step; no answer means that the connection is cut."""
        world = self.world
        dropped = any(fault.action in ("drop_before", "hang_before") for fault in before)
        response = None if dropped else self._answer(route, request, before)
        after = [] if response is None else world.faults.fire(Stage.AFTER, request)
        cut = response is None or any(fault.action == "drop_after" for fault in after)
        world.journal.record(
            request,
            world.now(),
            world.configuration.journal_reads,
            status=response.status if response else None,
            subscription_id=_stored_id(world, request),
            executed=response is not None and response.executed,
            replayed=response is not None and response.replayed,
            cut=cut,
        )
        world.commit()
        return response, after

    def _answer(self, route: Route | None, request: Request, before: list[Fault]) -> Response:
        try:
            return self._refusal(before) or self._work(route, request)
        except ServiceFaultError as exc:
            response = exc.response()
            if exc.status == 401:
                response.headers["WWW-Authenticate"] = "OAuth realm=urn:cpsvc:cpid:simulator"
            return response
        except Exception:
            # A defect of the simulator must not leave half a change behind.
            log.exception("Request failed: method=%s path=%s", request.method, request.path)
            self.world.rollback()
            return ServiceFaultError(500, 800003, "Unexpected service error").response()

    def _refusal(self, before: list[Fault]) -> Response | None:
        for fault in before:
            options = fault.options
            if fault.action == "throttle":
                return too_many_requests(options["retry_after"])
            if fault.action == "customer_busy":
                raise busy()
            if fault.action == "status":
                return _status_response(options)
            if fault.action == "expire_tokens":
                self.world.expire_tokens()
        return None

    def _work(self, route: Route | None, request: Request) -> Response:
        world = self.world
        world.refresh_catalog()
        if route is None:
            raise ServiceFaultError(404, 1000, f"Not found: {request.path}")
        if route.is_login:
            return route.handler(world, request)
        request.token = authenticate(world, request)
        limit = world.configuration.requests_per_minute
        if wait := world.throttle.seconds_to_wait(request.token.partner_tenant, limit, world.now()):
            return too_many_requests(wait)
        return self._replay_or_run(route, request)

    def _replay_or_run(self, route: Route, request: Request) -> Response:
        """Carry a POST out once for each MS-RequestId; a repeated one gets the stored answer."""
        world = self.world
        configuration = world.configuration
        remembers = configuration.replay_request_ids and not configuration.execute_every_post
        if request.method != "POST" or not remembers:
            return route.handler(world, request)
        key = f"{request.method} {request.path.lower()} {request.request_id.lower()}"
        if (known := world.store.get_reply(key)) is not None:
            ready_at = datetime.fromisoformat(known["ready_at"]) if known["ready_at"] else None
            never_ready = known["never_ready"]
            return Response(
                known["status"], known["body"], replayed=True, ready_at=ready_at, never_ready=never_ready
            )
        response = route.handler(world, request)
        if response.executed:
            ready_at_text = response.ready_at.isoformat() if response.ready_at else None
            reply = {"status": response.status, "body": response.body, "ready_at": ready_at_text}
            world.store.save_reply(key, reply | {"never_ready": response.never_ready})
        return response

    def _hold_back(self, request: Request, response: Response) -> None:
        if response.never_ready:
            self._pause(request, LONGEST_HANG_SECONDS)
            raise ConnectionCutError
        if response.ready_at is not None:
            self._pause(request, (response.ready_at - self.world.now()).total_seconds())

    def _spoil(self, request: Request, response: Response, after: list[Fault]) -> Response:
        for fault in after:
            if fault.action == "hang_after":
                self._pause(request, fault.options["seconds"])
            elif fault.action == "status_after":
                response = _status_response(fault.options)
            elif fault.action == "garbage":
                _make_garbage(response, fault.options["garbage"], self.world.configuration)
        if any(fault.action == "drop_after" for fault in after):
            raise ConnectionCutError
        return response

    def _pause(self, request: Request, seconds: float) -> None:
        """Wait, but no longer than there is somebody to wait for the answer."""
        if seconds <= 0:
            return
        if self._sleep is not None:
            self._sleep(seconds)
            return
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not request.client_gone():
            if self._stopping.wait(min(left, SLICE_SECONDS)):
                return


def too_many_requests(seconds: int) -> Response:
    message = f"Rate limit is exceeded. Try again in {seconds} seconds."
    return Response(429, {"statusCode": 429, "message": message}, {"Retry-After": str(seconds)})


def _status_response(options: dict[str, object]) -> Response:
    status = int(str(options["status"]))
    headers = {str(name): str(value) for name, value in dict(options["headers"] or {}).items()}  # type: ignore[call-overload]
    if options["retry_after"] is not None:
        headers["Retry-After"] = str(options["retry_after"])
    body = options["body"]
    if isinstance(body, str):
        return Response(status, body.encode(), {"Content-Type": "text/html; charset=utf-8", **headers})
    if body is None:
        body = (
            ServiceFaultError(status, int(str(options["code"])), str(options["description"])).response().body
        )
    return Response(status, body, headers)


def _make_garbage(response: Response, how: str, configuration: Configuration) -> None:
    payload = encode(response.body, configuration)
    if how == "html":
        response.body = HTML
        response.headers["Content-Type"] = "text/html; charset=utf-8"
    elif how == "truncated":
        response.body = payload[: len(payload) // 2]
    elif how == "bom":
        response.body = payload if payload.startswith(BOM) else BOM + payload
    else:
        response.body = b""


def _stored_id(world: World, request: Request) -> str:
    """Return the subscription's id as it is stored, for the journal; as it was sent if nobody knows it."""
    sent = request.params.get("subscription_id", "")
    if not sent:
        return ""
    try:
        customer = world.get_one_customer(request.params["customer_id"])
        return customer.get_one_subscription(sent).id
    except ServiceFaultError:
        return sent
