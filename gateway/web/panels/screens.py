"""Every address of the panels: one table, from which routes, views and a test are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pyramid.request import Request
from pyramid.response import Response

from gateway.web.panels import (
    account_views,
    api_key_views,
    audit_views,
    batch_views,
    connection_views,
    enrolment_views,
    license_views,
    navigating,
    plan_form_views,
    plan_views,
    pool_settings_views,
    pool_views,
    retry_views,
    signing_in,
    template_views,
    user_views,
    wizard_views,
)
from gateway.web.security import Permission

View = Callable[[Request], Response]
_CHANGE = Permission.SETTINGS_CHANGE

INSTANCES = "/provider/services/applications/aps-connectors/office-365/instances"
PLANS = {
    "provider": f"{INSTANCES}/{{instance_id}}/service-plans",
    "reseller": "/reseller/customer-cp/office-365/service-plans",
}


class Screen(NamedTuple):
    """One method of one address."""

    route: str
    path: str
    view: View
    method: str = "GET"
    permission: Permission | None = None
    """None for what needs no session."""


Row = tuple[str, str, View, str, Permission]


def _of_plan() -> tuple[Row, ...]:
    """Below the address of a plan."""
    read, create = Permission.SUBSCRIPTION_READ, Permission.UPGRADE_CREATE
    look, edit, form = Permission.CATALOG_READ, Permission.PLAN_EDIT, plan_form_views
    return (
        ("plan", "", plan_views.show_plan, "GET", read),
        ("plan_live", "live", plan_views.live_plan, "GET", read),
        ("plan_general", "general", form.show_general, "GET", look),
        ("plan_general", "general", form.change_general, "POST", edit),
        ("plan_prices", "prices", form.show_prices, "GET", look),
        ("plan_prices", "prices", form.change_prices, "POST", edit),
        ("plan_delegation", "delegation", form.show_delegation, "GET", look),
        ("plan_delegation", "delegation", form.delegate, "POST", edit),
        ("plan_csv", "subscriptions.csv", plan_views.export_plan, "GET", read),
        ("plan_cancel", "cancel-upgrade", plan_views.cancel_upgrades, "POST", Permission.UPGRADE_CANCEL),
        ("plan_refresh", "refresh-statuses", plan_views.refresh_statuses, "POST", Permission.UPGRADE_REFRESH),
        ("target", "upgrade-subscriptions", wizard_views.choose_target, "GET", create),
        ("preview", "upgrade-subscriptions/preview", wizard_views.show_preview, "GET", create),
        ("finish", "upgrade-subscriptions/finish", wizard_views.finish, "POST", create),
    )


def _of_batch(area: str) -> tuple[Row, ...]:
    batches, read = f"/{area}/upgrade-batches", Permission.UPGRADE_READ
    batch = f"{batches}/{{batch_id}}"
    return (
        ("batches", batches, batch_views.show_batches, "GET", read),
        ("batch", batch, batch_views.show_batch, "GET", read),
        ("batch_live", f"{batch}/live", batch_views.live_batch, "GET", read),
        ("batch_csv", f"{batch}/upgrades.csv", batch_views.export_batch, "GET", read),
        (
            "batch_cancel",
            f"{batch}/cancel-upgrade",
            batch_views.cancel_upgrades,
            "POST",
            Permission.UPGRADE_CANCEL,
        ),
        (
            "batch_refresh",
            f"{batch}/refresh-statuses",
            batch_views.refresh_statuses,
            "POST",
            Permission.UPGRADE_REFRESH,
        ),
        ("batch_retry", f"{batch}/schedule-again", retry_views.show_retry, "GET", Permission.UPGRADE_CREATE),
        ("batch_again", f"{batch}/scheduled-again", retry_views.retry, "POST", Permission.UPGRADE_CREATE),
        ("upgrade", f"/{area}/upgrades/{{upgrade_id}}", batch_views.show_upgrade, "GET", read),
        (
            "upgrade_move",
            f"/{area}/upgrades/{{upgrade_id}}/move-licenses",
            license_views.move_licenses,
            "POST",
            Permission.UPGRADE_CREATE,
        ),
    )


def _of_access(area: str) -> tuple[Row, ...]:
    users, keys, read = f"/{area}/users", f"/{area}/api-keys", Permission.ACCESS_READ
    user, key = f"{users}/{{user_id}}", f"{keys}/{{prefix}}"
    manage, revoke = Permission.USER_MANAGE, Permission.API_KEY_MANAGE
    return (
        ("audit", f"/{area}/audit-log", audit_views.show_audit, "GET", Permission.AUDIT_READ),
        ("audit_csv", f"/{area}/audit-log.csv", audit_views.export_audit, "GET", Permission.AUDIT_READ),
        ("users", users, user_views.show_users, "GET", read),
        ("user_new", f"{users}/new", user_views.show_new_user, "GET", manage),
        ("user_new", f"{users}/new", user_views.add_user, "POST", manage),
        ("user", user, user_views.show_user, "GET", read),
        ("user_role", f"{user}/role", user_views.change_role, "POST", manage),
        ("user_password", f"{user}/password", user_views.set_password, "POST", manage),
        ("user_disable", f"{user}/disable", user_views.disable, "POST", manage),
        ("user_enable", f"{user}/enable", user_views.enable, "POST", manage),
        ("user_sign_out", f"{user}/sign-out", user_views.sign_out, "POST", manage),
        ("api_keys", keys, api_key_views.show_keys, "GET", read),
        ("api_key_new", f"{keys}/new", api_key_views.show_new_key, "GET", revoke),
        ("api_key_new", f"{keys}/new", api_key_views.create_key, "POST", revoke),
        ("api_key_revoke", f"{key}/revoke", api_key_views.ask_to_revoke, "GET", revoke),
        ("api_key_revoke", f"{key}/revoke", api_key_views.revoke_key, "POST", revoke),
    )


def _of_accounts(area: str) -> tuple[Row, ...]:
    """Resellers and customers below the account of who asks."""
    read, edit, views = Permission.ACCOUNT_READ, Permission.ACCOUNT_EDIT, account_views
    reseller = f"/{area}/resellers/{{reseller_id}}"
    customer = f"/{area}/customers/{{customer_id}}"
    return (
        ("resellers", f"/{area}/resellers", views.list_resellers, "GET", read),
        ("reseller_new", f"/{area}/add-reseller", views.new_reseller, "GET", edit),
        ("reseller_new", f"/{area}/add-reseller", views.create_reseller, "POST", edit),
        ("reseller", reseller, views.show_reseller, "GET", read),
        ("reseller", reseller, views.change_reseller, "POST", edit),
        ("reseller_customers", f"{reseller}/customers", views.list_reseller_customers, "GET", read),
        ("reseller_plans", f"{reseller}/service-plans", views.show_reseller_plans, "GET", read),
        (
            "reseller_subscriptions",
            f"{reseller}/subscriptions",
            views.show_reseller_subscriptions,
            "GET",
            read,
        ),
        ("subscribe", f"{reseller}/subscribe", enrolment_views.show_subscribe, "GET", edit),
        ("subscribe", f"{reseller}/subscribe", enrolment_views.subscribe, "POST", edit),
        ("customers", f"/{area}/customers", views.list_customers, "GET", read),
        ("customer_new", f"/{area}/add-customer", views.new_customer, "GET", edit),
        ("customer_new", f"/{area}/add-customer", views.create_customer, "POST", edit),
        ("customer", customer, views.show_customer, "GET", read),
        ("customer", customer, views.change_customer, "POST", edit),
    )


def _shared() -> Iterator[Screen]:
    """What both panels have, each at addresses of its own."""
    for area, plans in PLANS.items():
        yield Screen(f"{area}.home", f"/{area}/", navigating.home, permission=Permission.CATALOG_READ)
        yield Screen(f"{area}.plans", plans, navigating.plans, permission=Permission.CATALOG_READ)
        rows = (*_of_plan(), *_of_batch(area), *_of_accounts(area), *_of_access(area))
        for name, path, view, method, permission in rows:
            whole = path if path.startswith("/") else f"{plans}/{{plan_id}}/{path}".rstrip("/")
            yield Screen(f"{area}.{name}", whole, view, method, permission)


_SESSION = (
    Screen("session.sign_in", "/sign-in", signing_in.show_sign_in),
    Screen("session.sign_in", "/sign-in", signing_in.sign_in, "POST"),
    Screen("session.sign_out", "/sign-out", signing_in.sign_out, "POST"),
    Screen("session.sign_out_everywhere", "/sign-out-everywhere", signing_in.sign_out_everywhere, "POST"),
    Screen("session.account", "/account", signing_in.show_account, permission=Permission.CATALOG_READ),
    Screen(
        "session.password", "/account/password", signing_in.change_password, "POST", Permission.CATALOG_READ
    ),
    Screen("session.preferences", "/account/preferences", signing_in.change_preferences, "POST"),
)

_PROVIDER = tuple(
    Screen(f"provider.{name}", path, view, permission=Permission.CATALOG_READ)
    for name, path, view in (
        ("services", "/provider/services", navigating.services),
        ("applications", "/provider/services/applications", navigating.applications),
        ("aps_connectors", "/provider/services/applications/aps-connectors", navigating.aps_connectors),
        ("package", "/provider/services/applications/aps-connectors/office-365", navigating.package),
        ("instances", INSTANCES, navigating.instances),
        ("instance", f"{INSTANCES}/{{instance_id}}", navigating.instance),
    )
)

_CONNECTION = Screen(
    "provider.instance_test",
    f"{INSTANCES}/{{instance_id}}/test-connection",
    connection_views.test_connection,
    "POST",
    Permission.CONNECTION_TEST,
)

_CATALOG = tuple(
    Screen(f"provider.{name}", f"{INSTANCES}/{{instance_id}}/{path}", view, method, permission)
    for name, path, view, method, permission in (
        ("templates", "service-templates", template_views.list_templates, "GET", Permission.CATALOG_READ),
        ("template_new", "add-service-template", template_views.new_template, "GET", Permission.CATALOG_EDIT),
        (
            "template_new",
            "add-service-template",
            template_views.create_template,
            "POST",
            Permission.CATALOG_EDIT,
        ),
        (
            "template",
            "service-templates/{template_id}",
            template_views.show_template,
            "GET",
            Permission.CATALOG_READ,
        ),
        (
            "template",
            "service-templates/{template_id}",
            template_views.change_template,
            "POST",
            Permission.CATALOG_EDIT,
        ),
        ("plan_new", "add-service-plan", plan_form_views.new_plan, "GET", Permission.CATALOG_EDIT),
        ("plan_new", "add-service-plan", plan_form_views.create_plan, "POST", Permission.CATALOG_EDIT),
    )
)
"""What only the provider has: what plans are made of, and new ones."""

_POOL = tuple(
    Screen(f"provider.{name}", f"/provider/application-pool{path}", view, method, permission)
    for name, path, view, method, permission in (
        ("pool", "", pool_views.show_pool, "GET", Permission.POOL_READ),
        ("pool_recycle", "/recycle", pool_views.recycle, "POST", Permission.POOL_CONTROL),
        ("pool_stop", "/stop", pool_views.ask_to_stop, "GET", Permission.POOL_CONTROL),
        ("pool_stop", "/stop", pool_views.stop, "POST", Permission.POOL_CONTROL),
        ("pool_start", "/start", pool_views.start, "POST", Permission.POOL_CONTROL),
        ("pool_settings", "/settings", pool_settings_views.show_settings, "GET", _CHANGE),
        ("pool_settings", "/settings", pool_settings_views.save, "POST", _CHANGE),
        ("pool_settings_preview", "/settings/preview", pool_settings_views.preview, "POST", _CHANGE),
        ("pool_settings_check", "/settings/check", pool_settings_views.check, "POST", _CHANGE),
    )
)

_RESELLER = tuple(
    Screen(f"reseller.{name}", path, view, permission=Permission.CATALOG_READ)
    for name, path, view in (
        ("customer_cp", "/reseller/customer-cp", navigating.customer_cp),
        ("office365", "/reseller/customer-cp/office-365", navigating.office365),
    )
)

SCREENS: tuple[Screen, ...] = (
    *_SESSION,
    *_PROVIDER,
    _CONNECTION,
    *_CATALOG,
    *_POOL,
    *_RESELLER,
    *_shared(),
)
