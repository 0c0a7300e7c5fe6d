"""Moves the license of one user: what is there is read first, so that repeating it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

from gateway.engine.license_book import read_licenses
from gateway.models import MoveResult, Upgrade, UserLicense, UserLicenseState
from gateway.partner_center import License, PartnerCenterClient, RefusedError

OUT_OF_LICENSES = 60012
"""Microsoft's number for no seat that is free."""


class Exchange(NamedTuple):
    """Which license goes and which comes."""

    tenant_id: str
    old_sku_id: str
    new_sku_id: str
    new_service_ids: frozenset[str]
    """The services that come with the new license."""


def exchange_of(upgrade: Upgrade, microsoft: PartnerCenterClient) -> Exchange:
    tenant_id, new = upgrade.microsoft_tenant_id, upgrade.target_sku_id or ""
    skus = microsoft.list_subscribed_skus(tenant_id)
    found = next((each for each in skus if each.sku_id.casefold() == new.casefold()), None)
    services = found.service_plan_ids if found else frozenset()
    return Exchange(tenant_id, upgrade.source_sku_id or "", new, services)


def move_license(user: UserLicense, exchange: Exchange, microsoft: PartnerCenterClient) -> None:
    """Give the user the new license in place of the old one; what came of it is set in the row.

    All other licenses stay, and services that were switched off stay so.

    :raises PartnerCenterError: if it is not known whether it was done, or it is to be tried again
    """
    held = read_licenses(microsoft, exchange.tenant_id, user.user_id)
    if held is None:
        _set(user, UserLicenseState.GONE, MoveResult.GONE, "Microsoft does not know the user any more")
        user.holds_old = user.holds_new = None
        return
    _note(user, held, exchange)
    if user.holds_new and not user.holds_old:
        _set(user, UserLicenseState.MOVED, MoveResult.ALREADY_MOVED)
        return
    try:
        detail = _update(user, held, exchange, microsoft)
    except RefusedError as exc:
        result = MoveResult.NO_SEATS if exc.code == OUT_OF_LICENSES else MoveResult.FAILED
        _set(user, UserLicenseState.LEFT_BEHIND, result, _words(exc))
    else:
        user.holds_old, user.holds_new = False, True
        _set(user, UserLicenseState.MOVED, MoveResult.MOVED, detail)


def _update(
    user: UserLicense, held: Mapping[str, License], exchange: Exchange, microsoft: PartnerCenterClient
) -> str | None:
    old = held.get(exchange.old_sku_id.casefold())
    switched_off = old.disabled_plan_ids & exchange.new_service_ids if old else frozenset()
    warnings = microsoft.update_licenses(
        exchange.tenant_id,
        user.user_id,
        [] if user.holds_new else [exchange.new_sku_id],
        [exchange.old_sku_id] if user.holds_old else [],
        str(uuid4()),
        excluded_plan_ids=switched_off,
    )
    return "; ".join(f"{each.code}: {each.message}" for each in warnings) or None


def _note(user: UserLicense, held: Mapping[str, License], exchange: Exchange) -> None:
    user.holds_old = exchange.old_sku_id.casefold() in held
    user.holds_new = exchange.new_sku_id.casefold() in held


def _set(user: UserLicense, state: UserLicenseState, result: MoveResult, detail: str | None = None) -> None:
    user.state, user.result, user.detail = state, result, detail


def _words(exc: RefusedError) -> str:
    code = f"{exc.code}: " if exc.code is not None else ""
    request = f" (MS-RequestId {exc.request_id})" if exc.request_id else ""
    return f"{code}{exc.description}{request}"
