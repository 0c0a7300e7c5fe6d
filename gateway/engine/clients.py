"""The clients of Partner Center, one for each application instance of Settings.config."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from httpx2 import BaseTransport

from gateway.db import utcnow
from gateway.engine.trying import Report, Trials
from gateway.partner_center import Credentials, PartnerCenterClient, PartnerCenterError, RefusedError
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
        connections = settings.app.max_allowed_nb_of_simultaneous_upgrades + SPARE_CONNECTIONS
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
        if client is None:
            return None
        try:
            targets = client.get_upgrade_target_offers(offer_id, self._countries[instance_name.casefold()])
        except RefusedError as exc:
            if exc.is_not_found:  # What Microsoft does not sell, it does not upgrade either.
                return ()
            self.note_trouble(instance_name, exc)
            return None
        except PartnerCenterError as exc:
            self.note_trouble(instance_name, exc)
            return None
        self.note_success(instance_name)
        return targets

    def try_connection(self, instance_name: str) -> Report:
        """Say whether Partner Center serves this instance, within half a minute or so."""
        return self._trials.run(instance_name)

    def note_trouble(self, instance_name: str, error: PartnerCenterError) -> None:
        if instance_name.casefold() not in self._trouble:
            log.warning("Partner Center does not serve: instance=%s error=%s", instance_name, error)
        self._trouble[instance_name.casefold()] = (utcnow(), str(error))

    def note_success(self, instance_name: str) -> None:
        if self._trouble.pop(instance_name.casefold(), None):
            log.info("Partner Center serves again: instance=%s", instance_name)

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
