"""Every page of the panels, in the states that matter, for tests of the look and for pictures.

A screen that is missing here makes a test fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

PLANS = "/provider/services/applications/aps-connectors/office-365/instances/office365/service-plans"
INSTANCE = PLANS.rpartition("/")[0]
TEMPLATE = "service_template=office365-template"
BASIC = f"{PLANS}/m365-business-basic"
POOL = "/provider/application-pool"
RESELLER_PLANS = "/reseller/customer-cp/office-365/service-plans"
RESELLER_BASIC = f"{RESELLER_PLANS}/m365-business-basic-reseller-1"
OWN_RESELLER = "/reseller/resellers/reseller-3"
STANDARD, RESELLER_STANDARD = "m365-business-standard", "m365-business-standard-reseller-1"

Act = Callable[[Page], None]


@dataclass(frozen=True)
class Shown:
    """A page in one state."""

    name: str
    """Also that of its picture."""
    path: str
    login: str | None = "provider"
    """Nobody is signed in where it is None."""
    act: Act | None = None
    """What has to be done on the page first."""
    site: str = "full"
    status: int = 200


def press(name: str) -> Act:
    def act(page: Page) -> None:
        page.get_by_role("button", name=name, exact=True).click()

    return act


def _fail_to_sign_in(page: Page) -> None:
    page.get_by_label("Login").fill("provider")
    page.get_by_label("Password").fill("not the password")
    press("Sign in")(page)
    page.get_by_role("alert").wait_for()


def _mistype_the_password(page: Page) -> None:
    page.get_by_label("Present password").fill("not the password")
    for field in page.get_by_label("New password").all():
        field.fill("a long enough phrase")
    press("Change password")(page)
    page.get_by_role("alert").wait_for()


def _open_the_menu(page: Page) -> None:
    page.locator("details.menu summary").click()


def _select_some(page: Page) -> None:
    for box in page.locator("input[name=s]").all()[:3]:
        box.check()


def _cancel_what_is_not_pending(page: Page) -> None:
    page.locator("input[name=s]").first.check()
    press("Cancel Upgrade")(page)
    page.locator(".message").wait_for()


def _lose_the_token(page: Page) -> None:
    page.evaluate("document.querySelectorAll('[name=csrf]').forEach(each => each.value = 'old')")
    press("Refresh Statuses")(page)


def _add_nobody(page: Page) -> None:
    page.get_by_label("Login").fill("provider")
    for field in page.get_by_label("Password").all():
        field.fill("a long enough phrase")
    press("Add user")(page)
    page.get_by_role("alert").wait_for()


def _create_a_key(page: Page) -> None:
    page.get_by_label("Name").fill("Billing")
    press("Create API key")(page)
    page.locator("code.key").wait_for()


def _send_nothing(page: Page) -> None:
    """A form as it is, to see what it says of empty fields."""
    page.locator("form.sheet button.primary").click()
    page.get_by_role("alert").wait_for()


def _name_a_price(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("Free for all")
    page.get_by_label("Recurring fee of period 1").fill("5.00")
    page.get_by_label("Rate of Office 365 E1 License").fill("1.00")
    _send_nothing(page)


def _ask_for_a_subdomain(page: Page) -> None:
    page.get_by_label("Subdomain").fill("lantern")
    _send_nothing(page)


def _type_into_the_settings(page: Page) -> None:
    page.get_by_label("MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES").fill("ten")
    page.get_by_label("UPGRADE_MAX_ATTEMPTS").fill("7")
    page.get_by_text("1 value differs").wait_for()


def _preview_the_settings(page: Page) -> None:
    page.get_by_label("MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES").fill("20")
    page.get_by_label("LOG_LEVEL").select_option("DEBUG")
    press("Preview the changes")(page)
    page.get_by_role("button", name="Save").wait_for()


def _send_bad_settings(page: Page) -> None:
    page.get_by_label("MAX_ALLOWED_NB_OF_SIMULTANEOUS_UPGRADES").fill("ten")
    press("Preview the changes")(page)
    page.get_by_role("alert").wait_for()


SIGN_IN = (
    Shown("sign-in", "/sign-in", None),
    Shown("sign-in-refused", "/sign-in", None, _fail_to_sign_in),
)
ACCOUNT = (
    Shown("account", "/account"),
    Shown("account-refused", "/account", "harbour", _mistype_the_password),
    Shown("account-menu", "/account", "provider", _open_the_menu),
)

PAGES: dict[str, tuple[Shown, ...]] = {
    "session.sign_in": SIGN_IN,
    "session.account": ACCOUNT,
    "provider.services": (Shown("services", "/provider/services"),),
    "provider.applications": (Shown("applications", "/provider/services/applications"),),
    "provider.aps_connectors": (Shown("aps-connectors", "/provider/services/applications/aps-connectors"),),
    "provider.package": (Shown("package", "/provider/services/applications/aps-connectors/office-365"),),
    "provider.instances": (
        Shown("instances", PLANS.rpartition("/office365/")[0]),
        Shown("instances-empty", PLANS.rpartition("/office365/")[0], site="empty"),
    ),
    "provider.instance": (
        Shown("instance", PLANS.rpartition("/")[0]),
        Shown("instance-not-configured", PLANS.rpartition("/office365/")[0] + "/europe"),
    ),
    "provider.plans": (
        Shown("plans", PLANS),
        Shown("plans-empty", PLANS.replace("/office365/", "/europe/")),
        Shown("plan-not-found", f"{PLANS}/no-such", status=404),
    ),
    "provider.plan": (
        Shown("plan", BASIC),
        Shown("plan-selected", BASIC, act=_select_some),
        Shown("plan-message", BASIC, act=_cancel_what_is_not_pending),
        Shown("plan-no-match", f"{BASIC}?text=nobody&status=active"),
        Shown("plan-empty", f"{PLANS}/o365-e1-and-e3"),
        Shown("plan-read-only", BASIC, "auditor"),
        Shown("plan-management", f"{PLANS}/customer-management"),
        Shown("form-out-of-date", BASIC, act=_lose_the_token),
    ),
    "provider.templates": (
        Shown("templates", f"{INSTANCE}/service-templates"),
        Shown("templates-empty", f"{INSTANCE.replace('office365', 'europe')}/service-templates"),
    ),
    "provider.template_new": (
        Shown("template-new", f"{INSTANCE}/add-service-template"),
        Shown("template-new-refused", f"{INSTANCE}/add-service-template", act=_send_nothing),
    ),
    "provider.template": (
        Shown("template", f"{INSTANCE}/service-templates/office365-template"),
        Shown("template-read-only", f"{INSTANCE}/service-templates/office365-template", "auditor"),
    ),
    "provider.plan_new": (
        Shown("plan-new-kind", f"{INSTANCE}/add-service-plan"),
        Shown("plan-new-no-template", f"{INSTANCE.replace('office365', 'europe')}/add-service-plan"),
        Shown("plan-new", f"{INSTANCE}/add-service-plan?kind=standard&{TEMPLATE}"),
        Shown(
            "plan-new-refused",
            f"{INSTANCE}/add-service-plan?kind=customer_management&{TEMPLATE}",
            act=_name_a_price,
        ),
    ),
    "provider.plan_general": (
        Shown("plan-general", f"{BASIC}/general"),
        Shown("plan-general-copy", f"{BASIC}-reseller-1/general"),
        Shown("plan-general-read-only", f"{BASIC}/general", "auditor"),
    ),
    "provider.plan_prices": (
        Shown("plan-prices", f"{BASIC}/prices"),
        Shown("plan-prices-read-only", f"{BASIC}/prices", "auditor"),
    ),
    "provider.plan_delegation": (
        Shown("plan-delegation", f"{BASIC}/delegation"),
        Shown("plan-delegation-nobody", f"{BASIC}-reseller-2/delegation"),
    ),
    "provider.resellers": (
        Shown("resellers", "/provider/resellers"),
        Shown("resellers-empty", "/provider/resellers", site="empty"),
    ),
    "provider.reseller_new": (
        Shown("reseller-new", "/provider/add-reseller"),
        Shown("reseller-new-refused", "/provider/add-reseller", act=_send_nothing),
    ),
    "provider.reseller": (
        Shown("reseller", "/provider/resellers/reseller-1"),
        Shown("reseller-read-only", "/provider/resellers/reseller-1", "auditor"),
    ),
    "provider.reseller_customers": (Shown("reseller-customers", "/provider/resellers/reseller-1/customers"),),
    "provider.reseller_plans": (
        Shown("reseller-delegated-plans", "/provider/resellers/reseller-1/service-plans"),
        Shown("reseller-delegated-plans-empty", "/provider/resellers/reseller-new/service-plans"),
    ),
    "provider.reseller_subscriptions": (
        Shown("reseller-subscriptions", "/provider/resellers/reseller-1/subscriptions"),
        Shown("reseller-subscriptions-empty", "/provider/resellers/reseller-4/subscriptions"),
    ),
    "provider.subscribe": (
        Shown("subscribe", "/provider/resellers/reseller-4/subscribe"),
        Shown("subscribe-refused", "/provider/resellers/reseller-4/subscribe", act=_send_nothing),
        Shown("subscribe-unavailable", "/provider/resellers/reseller-4/subscribe", act=_ask_for_a_subdomain),
    ),
    "provider.customers": (
        Shown("customers", "/provider/customers"),
        Shown("customers-no-match", "/provider/customers?text=nobody"),
        Shown("customers-empty", "/provider/customers", site="empty"),
    ),
    "provider.customer_new": (
        Shown("customer-new", "/provider/add-customer"),
        Shown("customer-new-refused", "/provider/add-customer", act=_send_nothing),
    ),
    "provider.customer": (Shown("customer", "/provider/customers/customer-00001"),),
    "provider.target": (
        Shown("upgrade-target", f"{BASIC}/upgrade-subscriptions?all=1"),
        Shown("upgrade-target-none", f"{PLANS}/o365-e5/upgrade-subscriptions?all=1"),
        Shown("upgrade-forbidden", f"{BASIC}/upgrade-subscriptions?all=1", "auditor", status=403),
    ),
    "provider.preview": (
        Shown("upgrade-preview-refused", f"{BASIC}/upgrade-subscriptions/preview?all=1&target={STANDARD}"),
        Shown(
            "upgrade-preview",
            f"{BASIC}/upgrade-subscriptions/preview?all=1&target={STANDARD}&only_eligible=1",
        ),
    ),
    "provider.batches": (
        Shown("batches", "/provider/upgrade-batches"),
        Shown("batches-empty", "/provider/upgrade-batches", site="empty"),
    ),
    "provider.batch": (
        Shown("batch", "/provider/upgrade-batches/2"),
        Shown("batch-failed", "/provider/upgrade-batches/2?upgrade_status=failed"),
        Shown("batch-ended", "/provider/upgrade-batches/1"),
    ),
    "provider.batch_retry": (
        Shown("schedule-again", "/provider/upgrade-batches/2/schedule-again?all_failed=1"),
        Shown("schedule-again-refused", "/provider/upgrade-batches/2/schedule-again?u={pending}"),
    ),
    "provider.upgrade": (
        Shown("upgrade-failed", "/provider/upgrades/{failed}"),
        Shown("upgrade-in-progress", "/provider/upgrades/{in_progress}"),
        Shown("upgrade-completed", "/provider/upgrades/{completed_with_warnings}"),
        Shown("upgrade-looked-at", "/provider/upgrades/{completed_with_warnings}", "auditor"),
        Shown("upgrade-pending", "/provider/upgrades/{pending}"),
    ),
    "provider.audit": (
        Shown("audit-log", "/provider/audit-log?text=user"),
        Shown("audit-log-whole", "/provider/audit-log"),
        Shown("audit-log-bad-date", "/provider/audit-log?from=x&to=y", status=422),
        Shown("audit-log-no-match", "/provider/audit-log?text=no-such"),
    ),
    "provider.users": (
        Shown("users", "/provider/users"),
        Shown("users-looked-at", "/provider/users", "auditor"),
    ),
    "provider.user_new": (
        Shown("user-new", "/provider/users/new"),
        Shown("user-new-refused", "/provider/users/new", act=_add_nobody),
    ),
    "provider.user": (
        Shown("user", "/provider/users/{anna}"),
        Shown("user-oneself", "/provider/users/{provider}"),
        Shown("user-disabled", "/provider/users/{former}"),
        Shown("user-last-administrator", "/provider/users/{harbour}", act=press("Disable harbour")),
    ),
    "provider.api_keys": (
        Shown("api-keys", "/provider/api-keys"),
        Shown("api-keys-empty", "/provider/api-keys", site="empty"),
    ),
    "provider.api_key_new": (
        Shown("api-key-new", "/provider/api-keys/new"),
        Shown("api-key-created", "/provider/api-keys/new", act=_create_a_key),
    ),
    "provider.api_key_revoke": (Shown("api-key-revoke", "/provider/api-keys/billing/revoke"),),
    "provider.pool": (
        Shown("pool", POOL),
        Shown("pool-looked-at", POOL, "auditor"),
        Shown("pool-none", POOL, site="empty"),
    ),
    "provider.pool_stop": (
        Shown("pool-stop", f"{POOL}/stop"),
        Shown("pool-stopped", f"{POOL}/stop", act=press("Stop the pool")),
    ),
    "provider.pool_settings": (
        Shown("pool-settings", f"{POOL}/settings"),
        Shown("pool-settings-typed", f"{POOL}/settings", act=_type_into_the_settings),
        Shown("pool-settings-refused", f"{POOL}/settings", act=_send_bad_settings),
        Shown("pool-settings-preview", f"{POOL}/settings", act=_preview_the_settings),
    ),
    "reseller.audit": (Shown("reseller-audit-log", "/reseller/audit-log", "harbour"),),
    "reseller.users": (Shown("reseller-users", "/reseller/users", "harbour"),),
    "reseller.user_new": (Shown("reseller-user-new", "/reseller/users/new", "harbour"),),
    "reseller.user": (Shown("reseller-user", "/reseller/users/{former}", "harbour"),),
    "reseller.api_keys": (Shown("reseller-api-keys", "/reseller/api-keys", "harbour"),),
    "reseller.api_key_new": (Shown("reseller-api-key-new", "/reseller/api-keys/new", "harbour"),),
    "reseller.api_key_revoke": (
        Shown("reseller-api-key-revoke", "/reseller/api-keys/storefront/revoke", "harbour"),
    ),
    "reseller.customer_cp": (Shown("reseller-customer-cp", "/reseller/customer-cp", "harbour"),),
    "reseller.office365": (
        Shown("reseller-office-365", "/reseller/customer-cp/office-365", "harbour"),
        Shown("reseller-office-365-missing", "/reseller/customer-cp/office-365", "lantern"),
        Shown("reseller-office-365-new", "/reseller/customer-cp/office-365", "newcomer"),
    ),
    "reseller.plans": (Shown("reseller-plans", RESELLER_PLANS, "harbour"),),
    "reseller.plan": (
        Shown("reseller-plan", RESELLER_BASIC, "harbour"),
        Shown("reseller-plan-forbidden", f"{RESELLER_PLANS}/o365-e1-reseller-4", "lantern", status=403),
    ),
    "reseller.target": (
        Shown("reseller-upgrade-target", f"{RESELLER_BASIC}/upgrade-subscriptions?all=1", "harbour"),
    ),
    "reseller.preview": (
        Shown(
            "reseller-upgrade-preview",
            f"{RESELLER_BASIC}/upgrade-subscriptions/preview?all=1&target={RESELLER_STANDARD}",
            "harbour",
        ),
    ),
    "reseller.plan_general": (Shown("own-plan-general", f"{RESELLER_BASIC}/general", "harbour"),),
    "reseller.plan_prices": (Shown("own-plan-prices", f"{RESELLER_BASIC}/prices", "harbour"),),
    "reseller.plan_delegation": (Shown("own-plan-delegation", f"{RESELLER_BASIC}/delegation", "harbour"),),
    "reseller.resellers": (Shown("own-resellers", "/reseller/resellers", "harbour"),),
    "reseller.reseller_new": (Shown("own-reseller-new", "/reseller/add-reseller", "harbour"),),
    "reseller.reseller": (Shown("own-reseller", f"{OWN_RESELLER}", "harbour"),),
    "reseller.reseller_customers": (Shown("own-reseller-customers", f"{OWN_RESELLER}/customers", "harbour"),),
    "reseller.reseller_plans": (Shown("own-reseller-plans", f"{OWN_RESELLER}/service-plans", "harbour"),),
    "reseller.reseller_subscriptions": (
        Shown("own-reseller-subscriptions", f"{OWN_RESELLER}/subscriptions", "harbour"),
    ),
    "reseller.subscribe": (Shown("own-subscribe-no-plan", f"{OWN_RESELLER}/subscribe", "harbour"),),
    "reseller.customers": (Shown("own-customers", "/reseller/customers", "harbour"),),
    "reseller.customer_new": (Shown("own-customer-new", "/reseller/add-customer", "harbour"),),
    "reseller.customer": (Shown("own-customer", "/reseller/customers/customer-00002", "harbour"),),
    "reseller.batches": (Shown("reseller-batches", "/reseller/upgrade-batches", "harbour"),),
    "reseller.batch": (Shown("reseller-batch", "/reseller/upgrade-batches/3", "harbour"),),
    "reseller.batch_retry": (
        Shown(
            "reseller-schedule-again",
            "/reseller/upgrade-batches/3/schedule-again?u={reseller_failed}",
            "harbour",
        ),
    ),
    "reseller.upgrade": (Shown("reseller-upgrade", "/reseller/upgrades/{reseller_failed}", "harbour"),),
}
"""By route."""

ELSEWHERE = (
    Shown("not-found", "/provider/no-such-page", status=404),
    Shown("not-found-signed-out", "/provider/no-such-page", None, status=404),
    Shown("database-away", "/provider/services", site="broken", status=503),
)
"""What is at no address."""

NO_PAGES = frozenset(
    f"{area}.{name}"
    for area in ("provider", "reseller")
    for name in ("home", "plan_csv", "batch_csv", "batch_live", "plan_live", "audit_csv")
)
"""Routes that answer with a redirection, a file or what a script asks for."""


ALSO_PICTURED = frozenset(
    {
        "account-menu",
        "batch-ended",
        "database-away",
        "not-found",
        "plan-selected",
        "reseller-office-365-missing",
        "reseller-plan",
        "sign-in-refused",
        "upgrade-completed",
        "upgrade-preview",
        "user-new-refused",
    }
)


def pictured() -> tuple[Shown, ...]:
    """Each page in its first state, and a few states more; what both panels have only as the provider."""
    first = {
        pages[0].name
        for route, pages in PAGES.items()
        if not (route.startswith("reseller.") and route.replace("reseller.", "provider.", 1) in PAGES)
    }
    return tuple(shown for shown in every_page() if shown.name in first | ALSO_PICTURED)


def every_page() -> tuple[Shown, ...]:
    return (*(shown for pages in PAGES.values() for shown in pages), *ELSEWHERE)
