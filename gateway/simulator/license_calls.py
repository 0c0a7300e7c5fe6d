"""People, their licences and what the customer's directory has of each SKU; App+User tokens only."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gateway.simulator.customer import Customer
from gateway.simulator.login import need_user
from gateway.simulator.messages import (
    Json,
    Request,
    Response,
    ServiceFaultError,
    collection,
    get_field,
    link,
)
from gateway.simulator.paging import page
from gateway.simulator.products import Product, product_of
from gateway.simulator.service_plans import present_service_plans, service_plans_of
from gateway.simulator.users import User, holders, update_event, users_of
from gateway.simulator.world import World


def list_users(world: World, request: Request) -> Response:
    need_user(request)
    customer = world.get_one_customer(request.params["customer_id"])
    path = f"/customers/{customer.id}/users"
    return page(world, request, path, users_of(customer), lambda user: _present_user(customer, user))


def get_user(world: World, request: Request) -> Response:
    need_user(request)
    customer = world.get_one_customer(request.params["customer_id"])
    return Response(200, _present_user(customer, _get_one_user(customer, request)))


def list_licenses(world: World, request: Request) -> Response:
    need_user(request)
    customer = world.get_one_customer(request.params["customer_id"])
    known = _products_ever(customer)
    user = _get_one_user(customer, request)
    return Response(
        200, collection([_present_license(known[sku], user) for sku in user.sku_ids if sku in known])
    )


def update_licenses(world: World, request: Request) -> Response:
    """Assign and remove licences of one person in one go.

    :raises ServiceFaultError: 400/60012 if there is no licence left
    """
    need_user(request)
    customer = world.get_one_customer(request.params["customer_id"])
    user = _get_one_user(customer, request)
    body = request.json()
    known = _products_ever(customer)
    assign = {
        str(get_field(each, "skuId")).lower(): _excluded(each, known)
        for each in _entries(body, "licensesToAssign")
    }
    remove = [str(each).lower() for each in _entries(body, "licensesToRemove")]
    for sku_id in assign:
        if sku_id not in user.sku_ids and _available(customer, sku_id) < 1:
            text = (
                f"LicenseQuotaExceededException : Account {customer.id} has no licence left of SKU {sku_id}"
            )
            raise ServiceFaultError(400, 60012, "Out of licences", [text])
    world.add_license_event(customer, update_event(user.id, assign, remove))
    answer = {
        "licensesToAssign": get_field(body, "licensesToAssign"),
        "licensesToRemove": get_field(body, "licensesToRemove"),
        "licenseWarnings": [],
        "attributes": {"objectType": "LicenseUpdate"},
    }
    return Response(201, answer, executed=True)


def list_subscribed_skus(world: World, request: Request) -> Response:
    need_user(request)
    customer = world.get_one_customer(request.params["customer_id"])
    return Response(
        200, collection([_present_sku(customer, product) for product in _products(customer).values()])
    )


def _entries(body: Json, name: str) -> list[Any]:
    value = get_field(body, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ServiceFaultError(400, 3000, f"Invalid property {name}")
    return value


def _excluded(entry: Json, known: dict[str, Product]) -> list[str]:
    """The service plans to switch off.

    :raises ServiceFaultError: 400/3000 if the SKU has no such service
    """
    product = known.get(str(get_field(entry, "skuId")).lower())
    excluded = [str(each).lower() for each in _entries(entry, "excludedPlans")]
    if product and not set(excluded) <= {plan.id for plan in service_plans_of(product)}:
        raise ServiceFaultError(400, 3000, "Invalid property excludedPlans")
    return excluded


def _get_one_user(customer: Customer, request: Request) -> User:
    wanted = request.params["user_id"].lower()
    for user in users_of(customer):
        if wanted in (user.id, user.principal_name):
            return user
    raise ServiceFaultError(404, 60002, f"User {wanted} not found", [wanted])


def _products(customer: Customer) -> dict[str, Product]:
    """Return what the customer has, and what people still hold of what it had, by directory SKU."""
    products = {each.product.sku_id: each.product for each in customer.subscriptions.values()}
    held = {sku for user in users_of(customer) for sku in user.sku_ids}
    return products | {sku: each for sku, each in _products_ever(customer).items() if sku in held}


def _products_ever(customer: Customer) -> dict[str, Product]:
    products = [product_of(each.offer_id, each.title) for each in customer.purchases]
    products += [product_of(each.from_item) for each in customer.transitions]
    products += [each.product for each in customer.subscriptions.values()]
    return {each.sku_id: each for each in products}


def _seats(customer: Customer, sku_id: str) -> Counter[str]:
    """Return the seats of a directory SKU by status; several subscriptions share one pool."""
    seats: Counter[str] = Counter()
    for subscription in customer.subscriptions_of_sku(sku_id):
        seats[subscription.status] += subscription.quantity
    return seats


def _available(customer: Customer, sku_id: str) -> int:
    return _seats(customer, sku_id)["active"] - len(holders(customer, sku_id))


def _present_user(customer: Customer, user: User) -> Json:
    return {
        "id": user.id,
        "userPrincipalName": user.principal_name,
        "displayName": " ".join(user.name),
        "firstName": user.name[0],
        "lastName": user.name[1],
        "usageLocation": "US",
        "state": "active",
        "userDomainType": "none",
        "links": {"self": link(f"/customers/{customer.id}/users/{user.id}")},
        "attributes": {"objectType": "CustomerUser"},
    }


def _present_product(product: Product) -> Json:
    return {
        "id": product.sku_id,
        "name": product.title,
        "skuPartNumber": product.part_number,
        "targetType": "User",
        "licenseGroupId": "group1",
    }


def _present_license(product: Product, user: User) -> Json:
    return {
        "servicePlans": present_service_plans(product, user.disabled.get(product.sku_id, ())),
        "productSku": _present_product(product),
        "attributes": {"objectType": "License"},
    }


def _present_sku(customer: Customer, product: Product) -> Json:
    seats = _seats(customer, product.sku_id)
    consumed = len(holders(customer, product.sku_id))
    return {
        "availableUnits": max(seats["active"] - consumed, 0),
        "activeUnits": seats["active"],
        "consumedUnits": consumed,
        "suspendedUnits": seats["suspended"],
        "totalUnits": seats["active"] + seats["suspended"],
        "warningUnits": 0,
        "productSku": _present_product(product),
        "servicePlans": present_service_plans(product),
        "capabilityStatus": "Enabled"
        if seats["active"]
        else "Suspended"
        if seats["suspended"]
        else "Deleted",
        "attributes": {"objectType": "SubscribedSku"},
    }
