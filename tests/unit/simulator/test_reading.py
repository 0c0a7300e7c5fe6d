"""Customers, subscriptions, products and offers."""

import json
from base64 import b64decode
from urllib.parse import quote

import pytest

from tests.unit.simulator.helpers import (
    ARCHIVING,
    CUSTOMER,
    LEGACY_BASIC,
    LEGACY_STANDARD,
    OTHER_CUSTOMER,
    SUBSCRIPTION,
    guid,
    path_of,
    subscription,
)


class TestAnswers:
    def test_headers_are_those_of_partner_center(self, client):
        answer = client.get("/v1/customers", ms_requestid="r-1", ms_correlationid="c-1", x_locale="de-DE")

        assert (answer.headers["MS-RequestId"], answer.headers["MS-CorrelationId"]) == ("r-1", "c-1")
        assert answer.headers["X-Locale"] == "de-DE"
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert {"MS-CV", "MS-ServerId", "Request-Context"} <= answer.headers.keys()

    @pytest.mark.parametrize("prefix", ["/v1", "/V1.0", ""])
    def test_paths_and_ids_have_no_case_and_versions_are_two(self, client, prefix):
        answer = client.get(f"{prefix}/Customers/{CUSTOMER.upper()}/SUBSCRIPTIONS/{SUBSCRIPTION.upper()}")

        assert answer.json["id"] == SUBSCRIPTION

    def test_a_doubled_version_is_not_found(self, client):
        assert client.get("/v1//v1/customers").status == 404

    def test_switches_change_the_form_of_answers(self, client):
        client.configure(pascal_case=True, bom=True)

        answer = client.get(f"/v1/customers/{CUSTOMER}")

        assert answer.body.startswith(b"\xef\xbb\xbf")
        assert answer.json["CompanyProfile"]["CompanyName"] == "Customer 1"


class TestCustomers:
    def test_pages_are_followed_with_the_token_of_the_link(self, start):
        client = start(customers=5)

        first = client.get("/v1/customers?size=2").json
        link = first["links"]["next"]
        token = {"ms_continuationtoken": link["headers"][0]["value"]}
        second = client.get("/v1" + link["uri"], **token).json
        last_token = {"ms_continuationtoken": second["continuationToken"]}
        last = client.get("/v1/customers?size=2&seekOperation=next", **last_token).json

        assert first["totalCount"] == 2
        assert [len(page["items"]) for page in (first, second, last)] == [2, 2, 1]
        assert len({each["id"] for page in (first, second, last) for each in page["items"]}) == 5
        assert "next" not in last["links"]
        assert "continuationToken" not in last

    def test_beyond_the_end_is_refused(self, client):
        answer = client.get("/v1/customers?size=2&seekOperation=Next", ms_continuationtoken="AAAAAAAAAAk=")

        assert (answer.status, answer.json["code"]) == (400, 2000)

    @pytest.mark.parametrize("token", ["", "nonsense!", "AAAA"])
    def test_a_wrong_continuation_is_refused(self, client, token):
        answer = client.get("/v1/customers?seekOperation=Next", ms_continuationtoken=token)

        assert (answer.status, answer.json["code"]) == (400, 800002)

    def test_links_can_have_the_version(self, start):
        client = start(customers=3)
        client.configure(next_links_with_v1=True)

        assert client.get("/v1/customers?size=2").json["links"]["next"]["uri"].startswith("/v1/customers?")

    def test_they_are_filtered_by_the_start_of_the_name(self, client):
        wanted = quote(json.dumps({"Field": "CompanyName", "Value": "customer 2", "Operator": "starts_with"}))

        assert [each["id"] for each in client.get(f"/v1/customers?filter={wanted}").items] == [OTHER_CUSTOMER]

    def test_the_full_resource_has_billing(self, client):
        body = client.get(f"/v1/customers/{CUSTOMER}").json

        assert body["companyProfile"]["email"] == "admin@customer1.onmicrosoft.com"
        assert body["billingProfile"]["companyName"] == "Customer 1"

    def test_an_unknown_one_is_not_found(self, client):
        assert client.get(f"/v1/customers/{guid(1)}").status == 404

    def test_a_domain_is_taken_or_free(self, client):
        assert client.call("HEAD", "/v1/domains/Customer1.onmicrosoft.com").status == 200
        free = client.call("HEAD", "/v1/domains/nobody.onmicrosoft.com")
        assert (free.status, free.body) == (404, b"")
        assert client.get("/v1/validations/checkdomainavailability/nobody.onmicrosoft.com").json is True


class TestSubscriptions:
    def test_new_commerce_has_three_part_offers_and_inclusive_ends(self, client):
        body = client.subscription()

        assert body["offerId"] == "CFQ7TTC0LH18:0001:CFQ7TTC0K971"
        assert body["productType"]["id"] == "OnlineServicesNCE"
        assert (body["quantity"], body["status"]) == (10, "active")
        assert body["commitmentEndDate"].endswith("T00:00:00Z")
        assert body["commitmentEndDateTime"].endswith("T23:59:59Z")
        assert "etag" not in body["attributes"]

    def test_legacy_has_an_etag_and_no_product_type(self, legacy):
        body = legacy.subscription()

        assert body["offerId"] == LEGACY_BASIC
        assert "productType" not in body
        assert json.loads(b64decode(body["attributes"]["etag"])) == {"id": SUBSCRIPTION, "version": 1}

    def test_suspended_stays_suspended(self, start):
        client = start(subscription(0x51, status="suspended", basic=(10, 4)))

        assert client.subscription()["status"] == "suspended"

    def test_one_of_another_customer_is_not_found(self, client):
        answer = client.get(path_of(SUBSCRIPTION, OTHER_CUSTOMER))

        assert (answer.status, answer.json["code"]) == (404, 20003)

    def test_a_legacy_addon_hangs_on_its_base(self, start):
        client = start(subscription(0x51, legacy_basic=(10, 4), archiving=(3, 1)))

        addons = client.get(path_of() + "/addons").items

        assert [(each["offerId"], each["parentSubscriptionId"]) for each in addons] == [
            (ARCHIVING, SUBSCRIPTION)
        ]

    def test_further_licences_are_subscriptions_of_their_own(self, start):
        client = start(subscription(0x51, basic=(10, 4), e3=(2, 0), e1=(0, 0), archiving=(3, 1)))

        listed = client.get(f"/v1/customers/{CUSTOMER}/subscriptions").items

        assert [each["quantity"] for each in listed] == [10, 2, 3]
        assert not any("parentSubscriptionId" in each for each in listed)

    def test_without_a_licence_there_is_none(self, start):
        client = start(subscription(0x51, user=(-1, 4)))

        assert client.get(f"/v1/customers/{CUSTOMER}/subscriptions").items == []

    def test_they_are_found_by_order(self, client):
        order = client.subscription()["orderId"]
        path = f"/v1/customers/{CUSTOMER}/subscriptions"

        assert len(client.get(f"{path}?order_id={order}").items) == 1
        assert client.get(f"{path}?order_id=other").items == []

    def test_an_offer_that_nobody_knows_still_has_a_form(self, start):
        client = start(subscription(0x51, unknown=(10, 4)))

        body = client.subscription()

        assert (body["offerName"], body["offerId"].count(":")) == ("Something Else", 2)
        assert client.get(path_of() + "/transitionEligibilities").items == []

    def test_provisioning_is_pending_during_an_upgrade(self, client):
        path = path_of() + "/provisioningstatus"
        assert client.get(path).json["status"] == "success"

        client.transition()

        assert client.get(path).json["status"] == "pending"


class TestProducts:
    def test_a_sku_names_its_upgrade_targets(self, client):
        targets = client.get("/v1/products/CFQ7TTC0LH18/skus/0001?country=US").json["dynamicAttributes"]

        assert targets["upgradeTargetOffers"][0] == "CFQ7TTC0LDPB:0001"

    @pytest.mark.parametrize("prefix", ["", f"/customers/{CUSTOMER}"])
    def test_availabilities_lead_to_catalog_items(self, client, prefix):
        found = client.get(f"/v1{prefix}/products/CFQ7TTC0LDPB/skus/0001/availabilities?country=US").items

        assert [each["catalogItemId"] for each in found] == ["CFQ7TTC0LDPB:0001:CFQ7TTC0LGNT"]

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("products/NONE", 400013),
            ("products/CFQ7TTC0LDPB/skus/9999", 400018),
            ("products/CFQ7TTC0LDPB/skus/0001/availabilities/OLD", 400019),
        ],
    )
    def test_unknown_ones_are_not_found(self, client, path, code):
        answer = client.get(f"/v1/{path}?country=US")

        assert (answer.status, answer.json["code"]) == (404, code)

    def test_a_legacy_offer_names_its_upgrade_targets(self, client):
        offer = client.get(f"/v1/offers/{LEGACY_BASIC.lower()}?country=US").json

        assert offer["upgradeTargetOffers"][0] == LEGACY_STANDARD
        assert offer["maximumQuantity"] == 300

    def test_offers_are_for_guids_only(self, client):
        assert client.get("/v1/offers/CFQ7TTC0LDPB:0001").json["code"] == 2100
        assert client.get(f"/v1/offers/{guid(9)}").status == 404
        assert len(client.get("/v1/offers?country=US").items) > 10
