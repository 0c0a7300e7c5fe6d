"""Customers, their domains and the catalog."""

import pytest

from gateway.partner_center import RefusedError
from tests.contract.world import (
    BASIC,
    CUSTOMER,
    CUSTOMERS,
    E3,
    LEGACY_BASIC,
    LEGACY_STANDARD,
    STANDARD,
    domain,
    tenant_id,
)


def test_a_connection_can_be_checked(application_client, control):
    application_client.check_connection()

    assert [call["path"] for call in control.calls("GET")] == ["/v1/customers"]


@pytest.mark.parametrize("with_version", [False, True])
def test_every_customer_is_listed_once_over_all_pages(client, control, with_version):
    control.configure(next_links_with_v1=with_version)

    found = [customer.id for customer in client.list_customers()]

    assert found == [tenant_id(number) for number in range(CUSTOMERS)]
    assert len(control.calls("GET")) == 3


def test_a_page_past_the_end_is_the_end(client, control):
    control.fault("status", status=400, code=2000, match={"kind": "customers"}, after=2)

    assert len(list(client.list_customers())) == 1000


def test_a_customer_is_read(client):
    found = client.get_customer(CUSTOMER.upper())

    assert (found.id, found.company_name, found.domain) == (CUSTOMER, "Customer 0", domain(0))
    assert found.relationship_to_partner == "reseller"
    assert found.country == "US"


def test_a_customer_nobody_knows_is_not_found(client):
    with pytest.raises(RefusedError) as caught:
        client.get_customer(tenant_id(CUSTOMERS))
    assert caught.value.is_not_found
    assert caught.value.code == 1000


def test_a_domain_is_free_until_a_customer_has_it(client):
    assert not client.is_domain_available(domain(0))
    assert client.is_domain_available("nobody.onmicrosoft.com")


def test_the_catalog_tells_the_targets_of_both_generations(client):
    assert STANDARD in client.get_upgrade_target_offers(BASIC, "US")
    assert LEGACY_STANDARD in client.get_upgrade_target_offers(LEGACY_BASIC, "US")
    assert client.get_upgrade_target_offers(E3, "US") == ()


@pytest.mark.parametrize("offer", ["CFQ7TTC0NONE:0001", "00000000-0000-4000-8000-000000000000"])
def test_an_offer_nobody_knows_is_not_found(client, offer):
    with pytest.raises(RefusedError) as caught:
        client.get_upgrade_target_offers(offer, "US")
    assert caught.value.is_not_found


def test_asking_for_a_domain_leaves_nothing_behind_but_the_question(client, control):
    client.is_domain_available("nobody.onmicrosoft.com")

    assert [call["path"] for call in control.calls("HEAD")] == ["/v1/domains/nobody.onmicrosoft.com"]
    assert control.calls("POST") == control.calls("GET") == []
    assert client.is_domain_available("nobody.onmicrosoft.com")
