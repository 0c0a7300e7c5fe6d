from __future__ import annotations

import pytest

from gateway.models import SubscriptionStatus
from tests.unit.web.panels.helpers import Browser, location_of

PROVIDER_PATH = (
    ("/provider/services", "Applications"),
    ("/provider/services/applications", "APS Connectors"),
    ("/provider/services/applications/aps-connectors", "Office 365"),
    ("/provider/services/applications/aps-connectors/office-365", "Instances"),
    ("/provider/services/applications/aps-connectors/office-365/instances", "Office 365"),
    ("/provider/services/applications/aps-connectors/office-365/instances/office365", "Service Plans"),
)


class TestTheProvider:
    def test_it_starts_at_services(self, provider):
        assert location_of(provider.get("/provider/")) == "/provider/services"

    @pytest.mark.parametrize("number", range(len(PROVIDER_PATH)))
    def test_each_step_leads_to_the_next_by_its_name(self, provider, number):
        url, link = PROVIDER_PATH[number]

        response = provider.get(url).click(f"^(<strong>)?{link}\\b", index=-1)

        following = (
            PROVIDER_PATH[number + 1][0] if number + 1 < len(PROVIDER_PATH) else f"{url}/service-plans"
        )
        assert response.request.path == following

    def test_the_last_step_lists_the_plans_of_all_vendors(self, provider, world):
        response = provider.get(f"{PROVIDER_PATH[-1][0]}/service-plans")

        for plan in world.plans.values():
            assert plan.name in response

    def test_an_instance_that_does_not_exist_is_not_found(self, provider):
        assert provider.get(f"{PROVIDER_PATH[-2][0]}/other").status_int == 404


class TestAReseller:
    def test_it_starts_at_customer_cp(self, reseller):
        response = (
            reseller.get("/reseller/").follow().click("Office 365", index=0).click("Service Plans", index=0)
        )

        assert response.request.path == "/reseller/customer-cp/office-365/service-plans"

    def test_it_sees_the_plans_of_its_branch(self, reseller, world):
        response = reseller.get("/reseller/customer-cp/office-365/service-plans")

        assert world.plans["reseller"].name in response
        assert world.plans["sub-reseller"].name in response
        assert world.plans["sibling"].name not in response

    @pytest.mark.parametrize("tab", ["office-365", "office-365/service-plans"])
    def test_without_customer_management_it_is_told_what_is_missing_and_whom_to_ask(
        self, db, factories, world, router, tab
    ):
        beginner = factories.reseller()
        plan = factories.service_plan([world.license], vendor=beginner)
        factories.subscription(world.management, account=beginner, status=SubscriptionStatus.SUSPENDED)
        browser = Browser(router, _user(db, factories, beginner))

        response = browser.get(f"/reseller/customer-cp/{tab}")

        assert "Office 365 Customer Management" in response
        assert "is suspended" in response
        assert f"<strong>{world.provider.name}</strong> can subscribe you" in response
        assert plan.name not in response

    def test_without_any_plan_it_is_told_whom_to_ask(self, db, factories, world, router):
        browser = Browser(router, _user(db, factories, factories.reseller()))

        assert f"Ask {world.provider.name} for it" in browser.get("/reseller/customer-cp/office-365")


class TestEveryPage:
    def test_it_forbids_what_is_not_ours(self, provider):
        policy = provider.get("/provider/services").headers["Content-Security-Policy"]

        assert "unsafe" not in policy
        assert "default-src 'none'" in policy

    def test_it_says_that_nothing_reaches_microsoft(self, provider):
        assert "nothing here reaches Microsoft" in provider.get("/provider/services")

    def test_an_address_that_leads_nowhere_has_a_page(self, provider):
        response = provider.get("/provider/nowhere")

        assert response.status_int == 404
        assert response.content_type == "text/html"

    def test_the_other_panel_does_not_exist(self, provider, reseller):
        assert provider.get("/reseller/customer-cp").status_int == 404
        assert reseller.get("/provider/services").status_int == 404

    def test_a_method_that_is_not_served_is_said(self, provider):
        assert provider.app.post("/provider/services", expect_errors=True).status_int == 405

    def test_its_files_may_be_kept_for_ever(self, provider):
        page = provider.get("/provider/services")
        url = page.html.find("link", rel="stylesheet")["href"]

        response = provider.get(url)

        assert "?x=" in url
        assert "max-age=31536000" in response.headers["Cache-Control"]


def _user(db, factories, account):
    login = factories.user(account).login
    db.commit()
    return login
