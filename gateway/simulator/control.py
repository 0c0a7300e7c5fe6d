"""The control path: what happened, faults, settings; for callers on this machine only."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from gateway.simulator.messages import Json, Request, Response, ServiceFaultError, wire_time
from gateway.simulator.transition import Transition
from gateway.simulator.world import World

PREFIX = "/_control/"
JOURNAL_PAGE = 1_000


def answer(world: World, request: Request) -> Response:
    if not _is_local(request.remote_address):
        return Response(403, {"error": "the control path is for callers on this machine"})
    action = ACTIONS.get((request.method, request.path.removeprefix(PREFIX).strip("/").lower()))
    if action is None:
        known = ", ".join(sorted(f"{method} {PREFIX}{name}" for method, name in ACTIONS))
        return Response(
            404, {"error": f"{request.method} {request.path} is not known, expected one of {known}"}
        )
    try:
        response = action(world, request)
    except (ValueError, ServiceFaultError) as exc:
        return Response(400, {"error": str(exc)})
    world.commit()
    return response


def _is_local(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdigit():
        raise ValueError(f"{name}: expected a whole number, got {text!r}")
    return int(text)


def _body(request: Request) -> Json:
    return request.json() if request.body.strip() else {}


def _journal(world: World, request: Request) -> Response:
    entries = world.journal.entries(_number(request, "after", 0), _number(request, "limit", JOURNAL_PAGE))
    return Response(200, {"items": entries, "last": entries[-1]["seq"] if entries else None})


def _stats(world: World, _request: Request) -> Response:
    body = {
        "transitions": world.store.count_transitions(),
        "transitions_by_subscription_over_one": world.store.transitions_over_one(),
        "running": world.gauge.running(world.now()),
        "max_running": world.gauge.max_running,
        "max_running_per_customer": world.gauge.max_running_per_customer,
        **world.journal.counters(),
        "customers": len(world.catalog.order),
    }
    return Response(200, body)


def _transitions(world: World, request: Request) -> Response:
    limit = _number(request, "limit", 0) or -1
    found = list(world.store.all_transitions(_number(request, "after", 0), limit))
    return Response(200, {"items": [_present(world, each) for each in found]})


def _present(world: World, transition: Transition) -> Json:
    finished_at = transition.finished_at
    return {
        "seq": transition.seq,
        "operation_id": transition.operation_id,
        "kind": transition.kind,
        "customer_id": transition.customer_id,
        "subscription_id": transition.source_id,
        "target_subscription_id": transition.target_id,
        "from": transition.from_item,
        "to": transition.to_item,
        "quantity": transition.quantity,
        "started_at": wire_time(transition.started_at),
        "finished_at": wire_time(finished_at) if finished_at else None,
        "outcome": transition.outcome(world.now()),
        "request_id": transition.request_id,
    }


def _list_faults(world: World, _request: Request) -> Response:
    return Response(200, {"items": world.faults.as_list()})


def _add_fault(world: World, request: Request) -> Response:
    return Response(201, world.faults.add(_body(request)).as_dict())


def _clear_faults(world: World, _request: Request) -> Response:
    world.faults.clear()
    return Response(200, {"items": []})


def _configuration(world: World, _request: Request) -> Response:
    return Response(200, world.configuration.as_dict())


def _configure(world: World, request: Request) -> Response:
    world.configure(_body(request))
    return Response(200, world.configuration.as_dict())


def _reset(world: World, request: Request) -> Response:
    body = _body(request)
    world.reset()
    if body.get("faults"):
        world.faults.clear()
    if body.get("configuration"):
        world.configure_as_started()
    return Response(200, {})


ACTIONS: dict[tuple[str, str], Callable[[World, Request], Response]] = {
    ("GET", "journal"): _journal,
    ("GET", "stats"): _stats,
    ("GET", "transitions"): _transitions,
    ("GET", "faults"): _list_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "configure"): _configuration,
    ("POST", "configure"): _configure,
    ("POST", "reset"): _reset,
}
