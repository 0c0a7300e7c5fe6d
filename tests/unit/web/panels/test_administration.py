"""Forms that change what is sold and to whom, without scripts."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from gateway.models import (
    Account,
    PlanKind,
    Role,
    ServicePlan,
    ServiceTemplate,
    Subscription,
)
from gateway.services.abilities import Abilities
from gateway.services.branch import make_caller
from tests.unit.web.panels.helpers import Browser, location_of

INSTANCE = "/provider/services/applications/aps-connectors/office-365/instances/office365"
PLANS = f"{INSTANCE}/service-plans"


@pytest.fixture
def provider(router, people):
    return Browser(router, people["administrator"])


def sheet(page):
    """The form that the page is about."""
    number = next(n for n, each in enumerate(page.html.select("form")) if "sheet" in each.get("class", []))
    return page.forms[number]


def press(form, **values):
    for name, value in values.items():
        form[name] = value
    return form.submit(expect_errors=True)


def problems(page):
    """What the page says beside each field."""
    return {each["id"].removesuffix("-problem"): each.get_text() for each in page.html.select("p.problem")}


def named(page, name):
    return page.html.find(attrs={"name": name})


class TestAServiceTemplate:
    def test_it_is_created_with_rows_that_were_added_one_by_one(self, db, provider, world):
        form = sheet(provider.get(f"{INSTANCE}/add-service-template"))
        form["name"], form["resource_types-0-name"] = "Recurring", "E1"
        form["resource_types-0-offer_id"] = "CFQ7TTC0LF8Q:0001"
        more = sheet(form.submit("more"))
        more["resource_types-1-kind"], more["resource_types-1-name"] = "other", "Tenant"

        response = more.submit(index=0)

        assert location_of(response) == f"{INSTANCE}/service-templates/recurring"
        template = db.get_one(ServiceTemplate, "recurring")
        assert {(each.name, each.kind.value) for each in template.resource_types} == {
            ("E1", "license"),
            ("Tenant", "other"),
        }
        assert "Service template Recurring created" in response.follow()

    def test_one_more_row_keeps_what_was_typed_and_saves_nothing(self, db, provider, world):
        form = sheet(provider.get(f"{INSTANCE}/add-service-template"))
        form["resource_types-0-name"] = "<E1>"

        page = form.submit("more")

        assert page.status_int == 200
        assert named(page, "resource_types-0-name")["value"] == "<E1>"
        assert named(page, "resource_types-1-name")["value"] == ""
        assert db.scalars(select(ServiceTemplate)).all() == [world.template]

    def test_what_is_wrong_stands_beside_the_field_and_on_top_with_a_link(self, provider, world):
        form = sheet(provider.get(f"{INSTANCE}/add-service-template"))

        page = press(form, **{"resource_types-0-name": "E1", "resource_types-0-offer_id": "E1"})

        assert page.status_int == 422
        assert set(problems(page)) == {"name", "resource_types-0-offer_id"}
        field = named(page, "resource_types-0-offer_id")
        assert (field["value"], field["aria-invalid"]) == ("E1", "true")
        assert "resource_types-0-offer_id-problem" in field["aria-describedby"].split()
        link = page.html.select_one('.summary a[href="#resource_types-0-offer_id"]')
        assert link.get_text() == "Offer ID of resource type 1"
        assert page.html.title.get_text().startswith("Not saved")

    def test_a_form_that_is_out_of_date_is_not_saved(self, db, provider, world):
        url = f"{INSTANCE}/service-templates/{world.template.id}"
        mine, theirs = sheet(provider.get(url)), sheet(provider.get(url))
        assert press(theirs, name="Theirs").status_int == 303

        page = press(mine, name="Mine")

        assert page.status_int == 409
        assert "Theirs was changed at" in page.html.select_one(".summary").get_text()
        assert named(page, "name")["value"] == "Mine"

    def test_whoever_only_looks_gets_no_buttons(self, router, people, world):
        browser = Browser(router, people["provider_read_only"])

        page = browser.get(f"{INSTANCE}/service-templates/{world.template.id}")

        assert page.html.select("form.sheet > button.primary, form.sheet .actions") == []
        assert page.html.select_one("form.sheet > fieldset").has_attr("disabled")
        assert "Add New Service Template" not in browser.get(f"{INSTANCE}/service-templates")


class TestAServicePlan:
    def new(self, provider, world, kind="standard"):
        query = {"kind": kind, "service_template": world.template.id}
        return sheet(provider.get(f"{INSTANCE}/add-service-plan", query))

    def test_the_way_to_it_begins_at_the_plans(self, provider, world):
        choice = provider.get(PLANS).click("Add New Service Plan")
        form = next(each for each in choice.forms.values() if "kind" in each.fields)
        form["kind"], form["service_template"] = "customer_management", world.template.id

        assert "Step 2 of 2" in form.submit()

    def test_it_is_created_with_limits_rates_and_periods(self, db, provider, world):
        form = self.new(provider, world)
        key = world.license.id
        form["name"], form["subscription_periods-0-recurring_fee"] = "Ten seats", "60"
        form[f"resources-{key}-limit"], form[f"resource_rates-{key}-recurring_fee"] = "10", "6.5"
        form = sheet(form.submit("more"))
        form["subscription_periods-1-months"] = "1"
        form["subscription_periods-1-recurring_fee"] = "5.5"

        response = form.submit(index=0)

        assert location_of(response) == f"{PLANS}/ten-seats/general"
        plan = db.get_one(ServicePlan, "ten-seats")
        assert [(each.resource_type_id, each.limit) for each in plan.resources] == [(key, 10)]
        assert [(each.months, str(each.recurring_fee)) for each in plan.subscription_periods] == [
            (1, "5.5"),
            (12, "60"),
        ]
        assert [str(each.recurring_fee) for each in plan.resource_rates] == ["6.5"]

    def test_customer_management_with_a_price_or_a_rate_is_refused_and_it_says_why(self, db, provider, world):
        form = self.new(provider, world, "customer_management")
        rate = f"resource_rates-{world.license.id}-recurring_fee"

        page = press(form, name="CM", **{"subscription_periods-0-recurring_fee": "5.00", rate: "0"})

        assert page.status_int == 422
        found = problems(page)
        assert found["subscription_periods-0-recurring_fee"] == (
            'Found "5.00", expected 0, since a Customer Management plan costs nothing'
        )
        assert "since a Customer Management plan has no rates" in found["resource_rates"]
        assert named(page, rate)["value"] == "0"
        assert db.get(ServicePlan, "cm") is None

    def test_free_of_charge_it_is_created(self, db, provider, world):
        response = press(self.new(provider, world, "customer_management"), name="CM")

        assert response.status_int == 303
        assert db.get_one(ServicePlan, "cm").kind is PlanKind.CUSTOMER_MANAGEMENT

    @pytest.mark.parametrize("kind", ["", "seat"])
    def test_a_kind_that_does_not_exist_is_refused(self, db, provider, world, kind):
        form = self.new(provider, world)
        form["kind"].force_value(kind)

        assert press(form, name="No kind").status_int == 422
        assert db.get(ServicePlan, "no-kind") is None

    def test_a_limit_that_is_none_is_named_by_its_resource(self, provider, world):
        plan = world.plans[world.provider.id]
        form = sheet(provider.get(f"{PLANS}/{plan.id}/general"))
        field = f"resources-{world.license.id}-limit"

        page = press(form, **{field: "ten"})

        assert problems(page) == {field: 'Found "ten", expected a whole number'}
        summary = page.html.select_one(".summary").get_text(" ", strip=True)
        assert f"Limit of {world.license.name}" in summary

    def test_unlimited_is_a_word(self, db, provider, world):
        plan = world.plans[world.provider.id]
        url, field = f"{PLANS}/{plan.id}/general", f"resources-{world.license.id}-limit"

        assert press(sheet(provider.get(url)), **{field: "Unlimited"}).status_int == 303

        db.expire_all()
        assert [each.limit for each in plan.resources] == [-1]
        assert sheet(provider.get(url))[field].value == "unlimited"


class TestDelegation:
    def test_selected_resellers_get_a_copy(self, db, provider, world):
        plan = world.plans[world.provider.id]
        url = f"{PLANS}/{plan.id}/delegation"

        response = provider.post(url, [("resellers", "reseller"), ("resellers", "sibling")])

        assert location_of(response) == url
        copies = db.scalars(select(ServicePlan).where(ServicePlan.delegated_from_id == plan.id)).all()
        assert {each.vendor_id for each in copies} == {"reseller", "sibling"}
        page = provider.get(url)
        assert "delegated to 2 resellers" in page
        assert page.html.select("tbody input[type=checkbox]") == []

    def test_without_a_reseller_it_says_so(self, provider, world):
        page = provider.post(f"{PLANS}/{world.plans[world.provider.id].id}/delegation")

        assert page.status_int == 422
        assert "expected at least one reseller" in problems(page)["resellers"]

    def test_a_reseller_sets_the_prices_of_its_copy_but_not_the_periods(self, db, reseller, factories, world):
        original = world.plans[world.provider.id]
        copy = factories.service_plan([world.license], vendor=world.reseller, delegated_from_id=original.id)
        db.commit()
        form = sheet(reseller.get(f"/reseller/customer-cp/office-365/service-plans/{copy.id}/prices"))

        assert "more" not in form.fields
        assert press(form, **{"subscription_periods-0-recurring_fee": "9.95"}).status_int == 303
        db.expire_all()
        assert str(copy.subscription_periods[0].recurring_fee) == "9.95"


class TestResellersAndCustomers:
    def test_a_reseller_is_created_and_listed(self, provider, world):
        form = sheet(provider.get("/provider/add-reseller"))

        response = press(form, parent="reseller", name="Saltmarsh", mpn_id="123", email="a@example.com")

        assert location_of(response) == "/provider/resellers/saltmarsh"
        row = provider.get("/provider/resellers").html.find("a", string="Saltmarsh").find_parent("tr")
        assert row.get_text(" ", strip=True) == "Saltmarsh Reseller 123 0 0 not subscribed"

    def test_a_customer_is_created_for_the_reseller_whose_page_it_was(self, db, provider, world):
        page = provider.get("/provider/resellers/sibling/customers").click("Add New Customer")

        response = press(sheet(page), name="Contoso", domain="contoso.onmicrosoft.com")

        assert location_of(response) == "/provider/customers/contoso"
        assert db.get_one(Account, "contoso").parent_id == "sibling"
        assert "Contoso" in provider.get("/provider/resellers/sibling/customers", {"text": "contoso.on"})

    def test_what_is_wrong_is_said_and_what_was_typed_is_kept(self, provider, world):
        page = press(sheet(provider.get("/provider/add-customer")), name="", email="nobody")

        assert set(problems(page)) == {"name", "email"}
        assert problems(page)["name"].startswith("Nothing entered, expected")
        assert named(page, "email")["value"] == "nobody"

    def test_an_account_is_edited(self, db, reseller, world):
        customer = world.subscriptions["reseller"].account

        response = press(sheet(reseller.get(f"/reseller/customers/{customer.id}")), name="New name")

        assert response.status_int == 303
        db.refresh(customer)
        assert customer.name == "New name"

    @pytest.mark.parametrize("url", ["/reseller/add-reseller", "/reseller/add-customer"])
    def test_nothing_is_made_below_somebody_else(self, reseller, world, url):
        assert reseller.post(url, [("name", "x"), ("parent", "sibling")]).status_int == 404
        assert reseller.get(url, {"vendor": "sibling"}).status_int == 404


class TestSubscribe:
    URL = "/provider/resellers/beginner/subscribe"

    @pytest.fixture
    def beginner(self, db, factories, world):
        beginner = factories.reseller(id="beginner", name="Beginner")
        factories.service_plan([world.license], vendor=beginner)
        db.commit()
        return beginner

    def test_a_free_subdomain_is_asked_for_and_the_reseller_may_upgrade(
        self, db, provider, clients, beginner
    ):
        response = press(sheet(provider.get(self.URL)), subdomain="Beginner")

        assert location_of(response) == "/provider/resellers/beginner/subscriptions"
        assert clients.asked == [("Office 365", "beginner.onmicrosoft.com")]
        assert Abilities(db).may_upgrade(make_caller(db, beginner, Role.OPERATOR, "x"), "office365")
        page = response.follow()
        assert "Beginner is subscribed to Office 365 Customer Management" in page
        assert "beginner.onmicrosoft.com" in page.html.select_one("tbody").get_text()

    @pytest.mark.parametrize(
        ("available", "status", "words"),
        [
            (False, 422, "expected an available subdomain; beginner.onmicrosoft.com exists at Microsoft"),
            (
                None,
                503,
                "could not be asked whether beginner.onmicrosoft.com is available; nothing was changed",
            ),
        ],
    )
    def test_one_that_is_taken_or_unknown_changes_nothing(
        self, db, provider, clients, beginner, available, status, words
    ):
        clients.domains = {"beginner.onmicrosoft.com": available}

        page = press(sheet(provider.get(self.URL)), subdomain="beginner")

        assert page.status_int == status
        assert words in page.html.select_one(".summary").get_text()
        assert named(page, "subdomain")["value"] == "beginner"
        assert db.scalars(select(Subscription).where(Subscription.account_id == "beginner")).all() == []

    def test_a_subdomain_of_another_form_is_not_asked_for(self, provider, clients, beginner):
        page = press(sheet(provider.get(self.URL)), subdomain="-")

        assert problems(page) == {
            "subdomain": 'Found "-", expected letters, digits and inner hyphens, at most 63'
        }
        assert clients.asked == []

    def test_with_several_plans_it_asks_which(self, db, factories, provider, beginner):
        factories.service_plan(kind=PlanKind.CUSTOMER_MANAGEMENT, id="second")
        db.commit()

        page = provider.get(self.URL)

        assert [each["value"] for each in page.html.select("input[name=service_plan]")] == [
            "management",
            "second",
        ]
        assert "Office 365 subdomain" in provider.get(self.URL, {"service_plan": "second"})


def test_every_field_of_every_form_has_a_label(provider, world):
    plan = world.plans[world.provider.id]
    query = f"?kind=standard&service_template={world.template.id}"
    for url in (
        f"{INSTANCE}/add-service-template",
        f"{INSTANCE}/add-service-plan{query}",
        f"{PLANS}/{plan.id}/general",
        f"{PLANS}/{plan.id}/prices",
        "/provider/add-reseller",
        "/provider/add-customer",
    ):
        form = provider.get(url).html.select_one("form.sheet")
        labels = {label["for"]: re.sub(r"\s+", " ", label.get_text()) for label in form.select("label[for]")}
        fields = [each["id"] for each in form.select("input:not([type=hidden]), select")]
        assert set(fields) <= set(labels), url
        assert len({labels[each] for each in fields}) == len(fields), url
