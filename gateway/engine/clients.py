"""The clients of Partner Center, one for each application instance of Settings.config."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from httpx2 import BaseTransport

from gateway.db import utcnow
from gateway.engine.pauses import Pause, Pauses
from gateway.engine.trying import Report, Trials
from gateway.partner_center import (
    Credentials,
    PartnerCenterClient,
    PartnerCenterError,
    RefusedError,
    SignInError,
    ThrottledError,
    UnavailableError,
)
from gateway.settings import GatewaySettings, InstanceSettings

log = logging.getLogger(__name__)

SPARE_CONNECTIONS = 8
"""Connections beside those of the upgrades, for people who wait for an answer."""


class PartnerCenterClients:
    """Clients by the name of their instance; threads share them."""

    def __init__(self, settings: GatewaySettings, *, transport: BaseTransport | None = None) -> None:
        """:param transport: takes the place of the network"""
        # Of an instance that still says "simulator", nobody has said where the simulator listens.
        usable = [each for each in settings.application_instances if each.partner_center_url != "simulator"]
        limit = settings.app.max_allowed_nb_of_simultaneous_upgrades
        connections = limit + SPARE_CONNECTIONS
        self.pauses = Pauses(limit)
        self._countries = {i.name.casefold(): i.country for i in settings.application_instances}
        self._clients = {
            instance.name.casefold(): PartnerCenterClient(
                credentials_of(instance), max_connections=connections, transport=transport
            )
            for instance in usable
        }
        self._trials = Trials({each.name.casefold(): credentials_of(each) for each in usable}, transport)
        self._trouble: dict[str, tuple[datetime, str]] = {}

    def for_instance_name(self, name: str) -> PartnerCenterClient | None:
        return self._clients.get(name.casefold())

    def ask_upgrade_targets(self, instance_name: str, offer_id: str) -> Sequence[str] | None:
        """The offers that Microsoft upgrades `offer_id` to; None when it could not be asked."""
        client = self.for_instance_name(instance_name)
        if client is None or self.pauses.wait(instance_name, utcnow()):
            return None
        try:
            targets = client.get_upgrade_target_offers(offer_id, self._countries[instance_name.casefold()])
        except PartnerCenterError as exc:
            self.note(instance_name, exc, utcnow())
            # What Microsoft does not sell, it does not upgrade either.
            return () if isinstance(exc, RefusedError) and exc.is_not_found else None
        self.note(instance_name, None, utcnow())
        return targets

    def ask_domain_available(self, instance_name: str, domain: str) -> bool | None:
        """Whether no tenant at Microsoft has the domain yet; None when it could not be asked."""
        client = self.for_instance_name(instance_name)
        if client is None or self.pauses.wait(instance_name, utcnow()):
            return None
        try:
            available = client.is_domain_available(domain)
        except PartnerCenterError as exc:
            self.note(instance_name, exc, utcnow())
            return None
        self.note(instance_name, None, utcnow())
        return available

    def try_connection(self, instance_name: str) -> Report:
        """Say whether Partner Center serves this instance, within half a minute or so."""
        return self._trials.run(instance_name)

    def note(self, instance_name: str, trouble: PartnerCenterError | None, now: datetime) -> None:
        """Take in how a call went: for what is done next, and for those who look."""
        self.pauses.note(instance_name, trouble, now)
        if isinstance(trouble, (UnavailableError, SignInError, ThrottledError)):
            self._note_trouble(instance_name, trouble, now)
        else:
            self._note_success(instance_name)

    def _note_trouble(self, instance_name: str, error: PartnerCenterError, now: datetime) -> None:
        if instance_name.casefold() not in self._trouble:
            log.warning("Partner Center does not serve: instance=%s error=%s", instance_name, error)
        since = self._trouble.get(instance_name.casefold(), (now, ""))[0]
        self._trouble[instance_name.casefold()] = (since, str(error))

    def _note_success(self, instance_name: str) -> None:
        if self._trouble.pop(instance_name.casefold(), None):
            log.info("Partner Center serves again: instance=%s", instance_name)

    def pause(self, instance_name: str) -> Pause | None:
        """Until when nothing is asked of Partner Center for the instance, and why."""
        return self.pauses.blocked_instances(utcnow()).get(instance_name.casefold())

    def trouble(self, instance_name: str) -> tuple[datetime, str] | None:
        """When and why Partner Center did not serve, unless the newest call went well."""
        return self._trouble.get(instance_name.casefold())

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def credentials_of(instance: InstanceSettings) -> Credentials:
    return Credentials(
        base_url=instance.partner_center_url,
        authority_url=instance.authority_url,
        tenant_id=instance.tenant_id,
        client_id=instance.client_id,
        client_secret=instance.client_secret.get_secret_value(),
        refresh_token=instance.refresh_token.get_secret_value(),
    )
