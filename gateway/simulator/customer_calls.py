"""Customers and their domains."""

from __future__ import annotations

import json
from uuid import NAMESPACE_URL, uuid5

from gateway.simulator.catalog import Account, CatalogCustomer
from gateway.simulator.messages import Json, Request, Response, ServiceFaultError, get_field, link
from gateway.simulator.paging import page
from gateway.simulator.world import World


def list_customers(world: World, request: Request) -> Response:
    everything = _filtered(world.catalog.order, request.query.get("filter", ""))
    return page(world, request, "/customers", everything, lambda customer: list_item(customer.account))


def get_customer(world: World, request: Request) -> Response:
    return Response(200, full_resource(world.get_one_customer(request.params["customer_id"]).account))


def head_domain(world: World, request: Request) -> Response:
    return Response(200 if world.catalog.is_taken(request.params["domain"]) else 404)


def check_domain(world: World, request: Request) -> Response:
    return Response(200, not world.catalog.is_taken(request.params["domain"]))


def _filtered(everything: list[CatalogCustomer], text: str) -> list[CatalogCustomer]:
    if not text:
        return everything
    try:
        wanted = json.loads(text)
        field, value = get_field(wanted, "Field"), str(get_field(wanted, "Value") or "").lower()
    except (ValueError, TypeError, AttributeError):
        raise ServiceFaultError(400, 800002, "Invalid request input: filter") from None
    if field not in ("CompanyName", "Domain"):
        raise ServiceFaultError(400, 800002, f"Invalid request input: filter field {field}")
    if field == "Domain":
        return [each for each in everything if each.account.domain.lower().startswith(value)]
    return [each for each in everything if each.account.name.lower().startswith(value)]


def list_item(account: Account) -> Json:
    return {
        "id": account.tenant_id,
        "companyProfile": {
            "tenantId": account.tenant_id,
            "domain": account.domain,
            "companyName": account.name,
            "attributes": {"objectType": "CustomerCompanyProfile"},
        },
        "relationshipToPartner": "reseller",
        "attributes": {"objectType": "Customer"},
    }


def full_resource(account: Account) -> Json:
    resource = list_item(account)
    uri = f"/customers/{account.tenant_id}"
    address = _address(account)
    resource["companyProfile"] |= {
        "address": address,
        "email": account.email,
        "links": {"self": link(f"{uri}/profiles/company")},
    }
    return resource | {
        "commerceId": str(uuid5(NAMESPACE_URL, f"commerce/{account.tenant_id}")),
        "billingProfile": {
            "id": str(uuid5(NAMESPACE_URL, f"billing/{account.tenant_id}")),
            "firstName": address["firstName"],
            "lastName": address["lastName"],
            "email": account.email,
            "culture": "en-US",
            "language": "en",
            "companyName": account.name,
            "defaultAddress": address,
            "links": {"self": link(f"{uri}/profiles/billing")},
            "attributes": {"etag": "-1220834567890123", "objectType": "CustomerBillingProfile"},
        },
        "allowDelegatedAccess": True,
        "customDomains": [account.domain],
        "links": {"self": link(uri)},
    }


def _address(account: Account) -> Json:
    return {
        "country": "US",
        "region": "",
        "city": "Redmond",
        "state": "WA",
        "addressLine1": "1 Demo Way",
        "addressLine2": "",
        "postalCode": "98052",
        "firstName": "Ada",
        "lastName": account.name.split(" ")[0],
        "phoneNumber": "4255550100",
    }
