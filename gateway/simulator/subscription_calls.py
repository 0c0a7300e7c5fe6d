"""Reading subscriptions."""

from __future__ import annotations

from gateway.simulator.messages import Request, Response, collection, link
from gateway.simulator.subscription_views import present, present_provisioning
from gateway.simulator.world import World


def list_subscriptions(world: World, request: Request) -> Response:
    customer = world.get_one_customer(request.params["customer_id"])
    wanted = request.query.get("order_id", "").lower()
    now = world.now()
    items = [
        present(each, now)
        for each in customer.subscriptions.values()
        if not wanted or each.order_id.lower() == wanted
    ]
    links = {"self": link(f"/customers/{customer.id}/subscriptions")}
    return Response(200, collection(items, links=links))


def get_subscription(world: World, request: Request) -> Response:
    customer = world.get_one_customer(request.params["customer_id"])
    subscription = customer.get_one_subscription(request.params["subscription_id"])
    return Response(200, present(subscription, world.now()))


def list_addons(world: World, request: Request) -> Response:
    customer = world.get_one_customer(request.params["customer_id"])
    subscription = customer.get_one_subscription(request.params["subscription_id"])
    return Response(
        200, collection([present(each, world.now()) for each in customer.addons_of(subscription)])
    )


def get_provisioning_status(world: World, request: Request) -> Response:
    customer = world.get_one_customer(request.params["customer_id"])
    subscription = customer.get_one_subscription(request.params["subscription_id"])
    is_busy = customer.is_busy(subscription.id)
    return Response(200, present_provisioning(subscription, is_busy, world.now()))
