"""Customers, subscriptions and their provisioning."""

from datetime import UTC, datetime

import pytest

from gateway.partner_center import (
    ProvisioningState,
    SubscriptionStatus,
    UnavailableError,
    offer_key,
    same_offer,
)
from tests.unit.partner_center.helpers import (
    CUSTOMER,
    SUBSCRIPTION,
    Server,
    client_answered,
    client_of,
    collection,
    fault,
    json_answer,
)

LEGACY = {
    "id": "1C2B75C1-0000-4000-8000-000000000010",
    "offerId": "BD938F12-058F-4927-BBA3-AE36B1D2501C",
    "offerName": "Microsoft 365 Business Basic",
    "friendlyName": "Basic seats",
    "quantity": 12,
    "creationDate": "2025-02-01T09:12:44.157Z",
    "commitmentEndDate": "2026-02-01T00:00:00Z",
    "status": "active",
    "autoRenewEnabled": True,
    "isTrial": False,
    "billingCycle": "monthly",
    "termDuration": "P1Y",
    "orderId": "CF3B0E37-0000-4000-8000-000000000011",
}
NEW_COMMERCE = {
    "id": SUBSCRIPTION,
    "offerId": "CFQ7TTC0LH18:0001:CFQ7TTC0K971",
    "friendlyName": "Microsoft 365 Business Basic",
    "productType": {"id": "OnlineServicesNCE", "displayName": "OnlineServicesNCE"},
    "quantity": 15,
    "creationDate": "2026-01-04T16:57:15.0966728Z",
    "commitmentEndDate": "2027-01-03T00:00:00Z",
    "commitmentEndDateTime": "2027-01-03T23:59:59Z",
    "status": "active",
    "autoRenewEnabled": True,
    "billingCycle": "monthly",
    "termDuration": "P1Y",
    "scheduledNextTermInstructions": {"quantity": 10},
}


def subscription_of(**changes):
    return client_answered(json_answer(NEW_COMMERCE | changes)).get_subscription(CUSTOMER, SUBSCRIPTION)


class TestSubscription:
    def test_a_new_commerce_one_is_read(self):
        found = subscription_of()

        assert found.is_new_commerce
        assert found.offer_id == "CFQ7TTC0LH18:0001:CFQ7TTC0K971"
        assert found.status is SubscriptionStatus.ACTIVE
        assert found.quantity == 15
        assert found.created_at == datetime(2026, 1, 4, 16, 57, 15, 96672, tzinfo=UTC)
        assert found.commitment_end_at == datetime(2027, 1, 3, 23, 59, 59, tzinfo=UTC)
        assert found.auto_renew
        assert found.has_scheduled_change
        assert (found.term_duration, found.billing_cycle) == ("P1Y", "monthly")

    def test_a_legacy_one_is_read(self):
        server = Server(collection(LEGACY, LEGACY | {"parentSubscriptionId": "parent", "id": "add-on"}))

        found, add_on = client_of(server).list_subscriptions(CUSTOMER)

        assert server.call.url.path == f"/v1/customers/{CUSTOMER}/subscriptions"
        assert not found.is_new_commerce
        assert not found.has_scheduled_change
        assert not found.is_add_on
        assert add_on.is_add_on
        assert found.commitment_end_at == datetime(2026, 2, 1, tzinfo=UTC)

    @pytest.mark.parametrize("status", ["Suspended", "SUSPENDED", "suspended ", 2, "2"])
    def test_a_status_has_many_spellings(self, status):
        assert subscription_of(status=status).status is SubscriptionStatus.SUSPENDED

    @pytest.mark.parametrize(
        ("status", "text"), [("BeingMigrated", "being_migrated"), (99, "99"), (None, "")]
    )
    def test_an_unknown_status_is_kept_as_found(self, status, text):
        found = subscription_of(status=status)

        assert (found.status, found.status_text) == (SubscriptionStatus.UNKNOWN, text)

    @pytest.mark.parametrize(
        ("cycle", "name"), [("OneTime", "one_time"), ("Monthly", "monthly"), (2, "annual")]
    )
    def test_a_billing_cycle_has_many_spellings(self, cycle, name):
        assert subscription_of(billingCycle=cycle).billing_cycle == name

    @pytest.mark.parametrize("changes", [{"id": None}, {"offerId": ""}, {"quantity": "many"}])
    def test_one_that_is_none_is_unreadable(self, changes):
        with pytest.raises(UnavailableError):
            subscription_of(**changes)

    def test_its_provisioning_is_read(self):
        server = Server(json_answer({"skuId": "6FD2C87F", "status": "Pending", "quantity": "5"}))

        found = client_of(server).get_provisioning_status(CUSTOMER, SUBSCRIPTION)

        assert server.call.url.path.endswith(f"/subscriptions/{SUBSCRIPTION}/provisioningstatus")
        assert (found.status, found.quantity, found.end_at) == (ProvisioningState.PENDING, 5, None)


class TestOffers:
    @pytest.mark.parametrize(
        ("a", "b", "same"),
        [
            ("CFQ7TTC0LH18:0001:CFQ7TTC0K971", "cfq7ttc0lh18:0001", True),
            ("CFQ7TTC0LH18:0001:CFQ7TTC0K971", "CFQ7TTC0LH18:0001:OTHER", True),
            ("CFQ7TTC0LH18:0001", "CFQ7TTC0LH18:0002", False),
            ("CFQ7TTC0LH18", "CFQ7TTC0LH18:0001", False),
            ("BD938F12-058F-4927-BBA3-AE36B1D2501C", "bd938f12-058f-4927-bba3-ae36b1d2501c ", True),
            ("", "", False),
        ],
    )
    def test_they_are_the_same_without_their_availability(self, a, b, same):
        assert same_offer(a, b) is same

    def test_the_key_is_the_lasting_part(self):
        assert offer_key("CFQ7TTC0LH18:0001:CFQ7TTC0K971") == "cfq7ttc0lh18:0001"

    def test_targets_of_a_sku_are_read(self):
        targets = ["CFQ7TTC0LDPB:0001", "CFQ7TTC0LF8Q:0001"]
        server = Server(json_answer({"id": "0001", "dynamicAttributes": {"upgradeTargetOffers": targets}}))

        assert client_of(server).get_upgrade_target_offers("P:0001:A", "DE") == tuple(targets)
        assert server.call.url.raw_path == b"/v1/products/P/skus/0001?country=DE"

    def test_targets_of_a_legacy_offer_are_read(self):
        server = Server(json_answer({"id": "BD938F12", "upgradeTargetOffers": ["A"]}))

        assert client_of(server).get_upgrade_target_offers("BD938F12", "US") == ("A",)
        assert server.call.url.raw_path == b"/v1/offers/BD938F12?country=US"

    def test_an_offer_without_targets_has_none(self):
        assert client_answered(json_answer({"id": "X"})).get_upgrade_target_offers("X") == ()
        assert client_answered(json_answer({"dynamicAttributes": {}})).get_upgrade_target_offers("X:1") == ()

    @pytest.mark.parametrize("offer", ["X", "X:1"])
    def test_an_answer_that_is_no_offer_does_not_mean_none(self, offer):
        with pytest.raises(UnavailableError):
            client_answered(json_answer({})).get_upgrade_target_offers(offer)


class TestCustomers:
    def test_one_is_read(self):
        body = {
            "id": CUSTOMER,
            "companyProfile": {
                "tenantId": CUSTOMER,
                "domain": "fabrikam.onmicrosoft.com",
                "companyName": "Fabrikam",
            },
            "billingProfile": {"email": "ada@example.com", "defaultAddress": {"country": "US"}},
            "relationshipToPartner": "reseller",
            "allowDelegatedAccess": True,
            "customDomains": ["fabrikam.onmicrosoft.com"],
        }

        found = client_answered(json_answer(body)).get_customer(CUSTOMER)

        assert (found.id, found.company_name, found.domain) == (
            CUSTOMER,
            "Fabrikam",
            "fabrikam.onmicrosoft.com",
        )
        assert (found.relationship_to_partner, found.allow_delegated_access) == ("reseller", True)
        assert (found.email, found.country) == ("ada@example.com", "US")

    @pytest.mark.parametrize(("status", "is_available"), [(200, False), (404, True)])
    def test_a_domain_that_is_not_found_is_free(self, status, is_available):
        server = Server(json_answer(None, status))

        assert client_of(server).is_domain_available("fabrikam.onmicrosoft.com") is is_available
        assert (server.call.method, server.call.url.path) == ("HEAD", "/v1/domains/fabrikam.onmicrosoft.com")

    def test_the_connection_is_checked_with_one_customer(self):
        server = Server(collection({"id": CUSTOMER}))

        client_of(server).check_connection()

        assert server.call.url.raw_path == b"/v1/customers?size=1"

    def test_a_page_of_somebody_else_is_no_connection(self):
        with pytest.raises(UnavailableError):
            client_answered(json_answer({"hello": "world"})).check_connection()


def page(number, **link):
    link = {"uri": "/customers?size=500&seekOperation=Next", "method": "GET", **link}
    link.setdefault("headers", [{"key": "MS-ContinuationToken", "value": f"after-{number}"}])
    return collection({"id": f"customer-{number}"}, links={"next": link})


LAST = collection({"id": "customer-last"})


class TestPaging:
    def test_the_next_page_is_asked_for_with_the_headers_of_the_link(self):
        server = Server(page(1), page(2), LAST)

        found = [customer.id for customer in client_of(server).list_customers()]

        assert found == ["customer-1", "customer-2", "customer-last"]
        assert [call.url.raw_path for call in server.calls] == [
            b"/v1/customers?size=500",
            b"/v1/customers?size=500&seekOperation=Next",
            b"/v1/customers?size=500&seekOperation=Next",
        ]
        assert [call.headers.get("MS-ContinuationToken") for call in server.calls] == [
            None,
            "after-1",
            "after-2",
        ]

    def test_pages_are_read_as_they_are_wanted(self):
        server = Server(page(1), LAST)

        next(client_of(server).list_customers())

        assert len(server.calls) == 1

    @pytest.mark.parametrize(
        "uri",
        [
            "/v1/customers?size=500",
            "v1/customers?size=500",
            "/v1.0/customers?size=500",
            "customers?size=500",
            "https://api.example/v1/customers?size=500",
        ],
    )
    def test_a_link_may_have_its_version(self, uri):
        server = Server(page(1, uri=uri), LAST)

        list(client_of(server).list_customers())

        assert server.call.url.raw_path == b"/v1/customers?size=500"

    @pytest.mark.parametrize(
        "uri", ["https://elsewhere.example/customers", "//elsewhere.example/x", "http://[x"]
    )
    def test_the_token_goes_to_nobody_else(self, uri):
        server = Server(page(1, uri=uri), LAST)

        with pytest.raises(UnavailableError):
            list(client_of(server).list_customers())
        assert len(server.calls) == 1

    @pytest.mark.parametrize(
        ("key", "value"),
        [("Authorization", "Bearer x"), ("MS-A\r\nB", "x"), ("MS-A", "x\r\nB: c"), ("MS-A", "ü")],
    )
    def test_a_link_asks_for_no_other_header(self, key, value):
        with pytest.raises(UnavailableError):
            list(client_answered(page(1, headers=[{"key": key, "value": value}]), LAST).list_customers())

    def test_a_link_does_not_replace_our_ids(self):
        server = Server(page(1, headers=[{"key": "MS-RequestId", "value": "theirs"}]), LAST)

        list(client_of(server).list_customers())

        assert server.call.headers.get_list("MS-RequestId") != ["theirs"]

    def test_the_token_of_the_page_serves_where_the_link_has_none(self):
        first = collection(
            {"id": "a"}, links={"next": {"uri": "/customers?seekOperation=Next"}}, continuationToken="abc="
        )
        server = Server(first, LAST)

        list(client_of(server).list_customers())

        assert server.call.headers["MS-ContinuationToken"] == "abc="

    def test_a_page_past_the_end_is_the_end(self):
        server = Server(page(1), fault(400, 2000, "No more"))

        assert [customer.id for customer in client_of(server).list_customers()] == ["customer-1"]

    def test_the_first_page_is_never_past_the_end(self):
        with pytest.raises(Exception, match="code 2000"):
            list(client_answered(fault(400, 2000)).list_customers())

    def test_pages_in_a_circle_have_an_end(self):
        with pytest.raises(UnavailableError, match="no end"):
            list(client_answered(page(1)).list_customers())
