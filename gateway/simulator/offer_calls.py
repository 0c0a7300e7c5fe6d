"""What can be bought: new commerce products and legacy offers."""

from __future__ import annotations

from gateway.simulator.messages import Json, Request, Response, ServiceFaultError, collection, link
from gateway.simulator.products import (
    Product,
    known_product,
    legacy_offers,
    legacy_targets,
    new_commerce_targets,
    products_sold_as,
)
from gateway.simulator.world import World

TERMS = (("P1M", "Monthly"), ("P1Y", "Monthly"), ("P1Y", "Annual"), ("P3Y", "Monthly"), ("P3Y", "Annual"))


def get_product(_world: World, request: Request) -> Response:
    first = _skus(request)[0]
    uri = f"/products/{_product_id(first)}"
    body = {
        "id": _product_id(first),
        "title": first.title,
        "description": first.title,
        "productType": {"id": "OnlineServicesNCE", "displayName": "OnlineServicesNCE"},
        "isMicrosoftProduct": True,
        "publisherName": "Microsoft Corporation",
        "links": {"skus": link(f"{uri}/skus?country=US"), "self": link(f"{uri}?country=US")},
    }
    return Response(200, body)


def list_skus(_world: World, request: Request) -> Response:
    return Response(200, collection([_present_sku(product) for product in _skus(request)]))


def get_sku(_world: World, request: Request) -> Response:
    return Response(200, _present_sku(_get_one_sku(request)))


def list_availabilities(world: World, request: Request) -> Response:
    generation = world.configuration.availability_generation
    return Response(200, collection([_present_availability(_get_one_sku(request), generation)]))


def get_availability(world: World, request: Request) -> Response:
    product, generation = _get_one_sku(request), world.configuration.availability_generation
    wanted = request.params["availability_id"]
    if wanted.lower() != product.availability_id(generation).lower():
        raise ServiceFaultError(404, 400019, f"Availability {wanted} not found", [wanted])
    return Response(200, _present_availability(product, generation))


def list_offers(_world: World, _request: Request) -> Response:
    return Response(200, collection([present_offer(product) for product in legacy_offers()]))


def get_offer(_world: World, request: Request) -> Response:
    wanted = request.params["offer_id"]
    product = known_product(wanted)
    if ":" in wanted:
        raise ServiceFaultError(
            400, 2100, f"The offers API doesn't support item {wanted}; use products and skus"
        )
    if product is None:
        raise ServiceFaultError(404, 1000, f"Offer {wanted} not found", [wanted])
    return Response(200, present_offer(product))


def present_offer(product: Product) -> Json:
    return {
        "id": product.legacy_id,
        "name": product.title,
        "description": product.title,
        "minimumQuantity": 1,
        "maximumQuantity": product.max_seats,
        "rank": 61,
        "uri": f"/3c95518e-8c37-41e3-9627-0ca339200f53/Offers/{product.legacy_id}",
        "locale": "en-us",
        "country": "US",
        "category": _category(product),
        "prerequisiteOffers": [],
        "isAddOn": product.is_addon,
        "isAvailableForPurchase": True,
        "billing": "license",
        "supportedBillingCycles": ["monthly", "annual"],
        "isAutoRenewable": True,
        "isInternal": False,
        "upgradeTargetOffers": [target.legacy_id for target in legacy_targets(product)],
        "conversionTargetOffers": [],
        "partnerQualifications": ["none"],
        "product": {"id": product.sku_id, "name": product.title, "unit": "Licenses"},
        "unitType": "Licenses",
        "links": {"self": link(f"/offers/{product.legacy_id}?country=US")},
        "attributes": {"objectType": "Offer"},
    }


def _category(product: Product) -> Json:
    small = product.max_seats <= 300
    return {
        "id": "SmallBusiness_Key" if small else "Enterprise_Key",
        "name": "Small Business" if small else "Enterprise",
        "rank": 10 if small else 20,
        "locale": "en-us",
        "country": "US",
        "attributes": {"objectType": "OfferCategory"},
    }


def _product_id(product: Product) -> str:
    return product.item.split(":")[0]


def _skus(request: Request) -> list[Product]:
    wanted = request.params["product_id"]
    found = products_sold_as(wanted)
    if not found:
        raise ServiceFaultError(404, 400013, f"Product {wanted} not found", [wanted])
    return found


def _get_one_sku(request: Request) -> Product:
    wanted = request.params["sku_id"]
    for product in _skus(request):
        if product.item.split(":")[1].lower() == wanted.lower():
            return product
    raise ServiceFaultError(404, 400018, f"SKU {wanted} not found", [wanted])


def _present_sku(product: Product) -> Json:
    product_id, sku_id = product.item.split(":")
    uri = f"/products/{product_id}/skus/{sku_id}"
    return {
        "id": sku_id,
        "productId": product_id,
        "title": product.title,
        "description": product.title,
        "minimumQuantity": 1,
        "maximumQuantity": product.max_seats,
        "isTrial": False,
        "supportedBillingCycles": ["monthly", "annual"],
        "purchasePrerequisites": [],
        "inventoryVariables": [],
        "provisioningVariables": [],
        "actions": [],
        "dynamicAttributes": {
            "isMicrosoftProduct": True,
            "hasConstraints": False,
            "isAddon": product.is_addon,
            "prerequisiteSkus": [],
            "isSoftwareAssuranceApplicable": False,
            "upgradeTargetOffers": [target.item for target in new_commerce_targets(product)],
            "provisioningId": product.sku_id,
            "internal": False,
        },
        "links": {
            "availabilities": link(f"{uri}/availabilities?country=US"),
            "self": link(f"{uri}?country=US"),
        },
    }


def _present_availability(product: Product, generation: int) -> Json:
    product_id, sku_id = product.item.split(":")
    identity = product.availability_id(generation)
    renewal = {"renewToId": product.item, "isAutoRenewable": True}
    return {
        "id": identity,
        "productId": product_id,
        "skuId": sku_id,
        "catalogItemId": product.catalog_item(generation),
        "defaultCurrency": {"code": "USD", "symbol": "$"},
        "segment": "commercial",
        "country": "US",
        "isPurchasable": True,
        "isRenewable": True,
        "renewalInstructions": [{"applicableTermIds": ["t1y"], "renewalOptions": [renewal]}],
        "terms": [_present_term(duration, cycle) for duration, cycle in TERMS],
        "links": {"self": link(f"/products/{product_id}/skus/{sku_id}/availabilities/{identity}?country=US")},
    }


def _present_term(duration: str, cycle: str) -> Json:
    refund = {"sequenceId": 0, "type": "Full", "expiresAfter": "P1D"}
    return {
        "id": f"t{duration[1:].lower()}",
        "duration": duration,
        "description": f"{duration[1:]}, billed {cycle.lower()}",
        "billingCycle": cycle,
        "cancellationPolicies": [{"refundOptions": [refund]}],
    }
