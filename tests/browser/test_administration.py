"""From a service template to a reseller that upgrades, walked in a browser."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.test_specification import go_to_plans_as_provider, go_to_plans_as_reseller

TEMPLATE, PLAN, MANAGEMENT = "Recurring Licenses", "E1 by the year", "Recurring Customer Management"
RESELLER = "Saltmarsh Digital"
PASSWORD = "quiet saltmarsh mornings"


def go_to_templates(page: Page) -> None:
    go_to_plans_as_provider(page)
    page.get_by_role("link", name="Service Templates").click()


def create_template(page: Page) -> None:
    go_to_templates(page)
    page.get_by_role("link", name="Add New Service Template").click()
    page.get_by_label("Name", exact=True).fill(TEMPLATE)
    page.get_by_label("Name of resource type 1").fill("Recurring E1")
    page.get_by_label("Offer ID of resource type 1").fill("CFQ7TTC0LF8Q:0001")
    page.get_by_role("button", name="Add a resource type").click()
    page.get_by_label("Kind of resource type 2").select_option("Other")
    page.get_by_label("Name of resource type 2").fill("Office 365 Tenant")
    press(page, "Create")
    expect(page.get_by_text(f"Service template {TEMPLATE} created")).to_be_visible()


def begin_plan(page: Page, kind: str, name: str) -> None:
    go_to_plans_as_provider(page)
    page.get_by_role("link", name="Add New Service Plan").click()
    page.get_by_role("radio", name=re.compile(f"^{kind}")).check()
    page.get_by_role("radio", name=TEMPLATE).check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Name", exact=True).fill(name)


def create_plan(page: Page) -> None:
    begin_plan(page, "Office 365 plan", PLAN)
    page.get_by_label("Recurring fee of period 1").fill("120")
    page.get_by_label("Limit of Recurring E1").fill("1")
    press(page, "Create")
    expect(page.get_by_text(f"Service plan {PLAN} created")).to_be_visible()


def create_management_plan(page: Page) -> None:
    """Refused with a price, then accepted."""
    begin_plan(page, "Office 365 Customer Management", MANAGEMENT)
    page.get_by_label("Recurring fee of period 1").fill("5.00")
    press(page, "Create")
    expect(page.get_by_role("alert")).to_contain_text("since a Customer Management plan costs nothing")
    expect(page.get_by_label("Recurring fee of period 1")).to_have_value("5.00")
    page.get_by_label("Recurring fee of period 1").fill("0.00")
    press(page, "Create")
    expect(page.get_by_text(f"Service plan {MANAGEMENT} created")).to_be_visible()


def create_reseller(page: Page) -> None:
    page.get_by_role("link", name="Resellers", exact=True).first.click()
    page.get_by_role("link", name="Add New Reseller").click()
    page.get_by_label("Name", exact=True).fill(RESELLER)
    page.get_by_label("MPN ID").fill("5550123")
    press(page, "Create")
    expect(page.get_by_text(f"Reseller {RESELLER} created")).to_be_visible()


def delegate(page: Page, plan_id: str) -> None:
    go_to_plans_as_provider(page)
    url = page.url.partition("?")[0]
    page.goto(f"{url}/{plan_id}/delegation")
    page.get_by_label(f"Delegate to {RESELLER}").check()
    press(page, "Delegate")
    expect(page.get_by_text(f"{PLAN} delegated to 1 reseller")).to_be_visible()


def subscribe(page: Page, taken: str) -> None:
    """Refused with a subdomain that somebody has, then accepted."""
    page.get_by_role("link", name="Resellers", exact=True).first.click()
    page.get_by_role("link", name=RESELLER).click()
    page.get_by_role("link", name="Subscriptions", exact=True).click()
    page.get_by_role("link", name="Subscribe", exact=True).click()
    page.get_by_role("radio", name=MANAGEMENT).check()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("radio", name="Sign up for a new Microsoft account")).to_be_checked()
    page.get_by_label("Subdomain").fill(taken)
    press(page, "Subscribe")
    expect(page.get_by_role("alert")).to_contain_text("expected an available subdomain")
    page.get_by_label("Subdomain").fill("saltmarsh-mgmt")
    press(page, "Subscribe")
    expect(page.get_by_text("may upgrade subscriptions")).to_be_visible()


def press(page: Page, name: str) -> None:
    page.locator("main").get_by_role("button", name=name, exact=True).click()


def test_a_reseller_gets_its_ability_and_microsoft_is_only_asked_for_domains(open_page, panels):
    page = open_page("provider")
    create_template(page)
    create_plan(page)
    create_management_plan(page)
    create_reseller(page)
    delegate(page, "e1-by-the-year")
    taken = a_domain(panels.site).removesuffix(".onmicrosoft.com")
    before = last_request(panels.site)

    subscribe(page, taken)

    asked = [(each["method"], each["path"]) for each in journal(panels.site, before)]
    assert asked == [
        ("HEAD", f"/v1/domains/{taken}.onmicrosoft.com"),
        ("HEAD", "/v1/domains/saltmarsh-mgmt.onmicrosoft.com"),
    ]
    sell_something(panels.site)
    add_staff(page, panels)
    staff = open_page("staff")
    go_to_plans_as_reseller(staff)
    staff.get_by_role("link", name=PLAN).click()
    staff.locator("tbody input[name=s]").first.check()
    expect(staff.get_by_role("button", name="Upgrade Subscriptions")).to_be_enabled()


def journal(site, after: int) -> list[dict[str, str]]:
    """What reached Microsoft since then, but for the sign-in of the gateway."""
    simulator = site.simulator()
    entries = simulator.client.get("/_control/journal", params={"after": after}).json()["items"]
    simulator.close()
    return [each for each in entries if each["kind"] != "token"]


def last_request(site) -> int:
    return max((int(each["seq"]) for each in journal(site, 0)), default=0)


def a_domain(site) -> str:
    """Of a customer that Microsoft knows."""
    catalog = json.loads((site.folder / "catalog.json").read_text())
    return next(str(each["domain"]) for each in catalog["accounts"] if each.get("domain"))


def sell_something(site) -> None:
    """A customer of the new reseller, and a subscription of the delegated plan."""
    customer = {
        "id": "saltmarsh-1",
        "type": "customer",
        "name": "Reed Cutters",
        "parent": "saltmarsh-digital",
    }
    customer["microsoft_tenant_id"] = "5a17a45a-0000-4000-8000-000000000001"
    sold = {"id": "saltmarsh-sold", "account": "saltmarsh-1", "status": "active"}
    resources = [{"resource_type": "license-recurring-e1", "limit": 3}]
    plan = {"service_plan": "e1-by-the-year-saltmarsh-digital", "resources": resources}
    plan["microsoft_subscription_id"] = "5a17a45a-0000-4000-8000-000000000002"
    file = site.folder / "sold.json"
    file.write_text(json.dumps({"accounts": [customer], "subscriptions": [sold | plan]}))
    site.gateway("import", str(file))


def add_staff(page: Page, panels) -> None:
    page.goto("/provider/users/new")
    page.get_by_label("Account", exact=True).select_option(RESELLER)
    page.get_by_label("Login").fill("staff")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    press(page, "Add user")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Add user")
    panels.passwords["staff"] = PASSWORD
